"""Whatever went wrong in an exchange, as one Fault: one reading of statuses, bodies and exceptions for every provider.

`policy.errors` decides what follows from each kind; here is only said what happened.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any
from urllib.parse import urlsplit

import httpx2

from routing.providers import sdks
from routing.terms.fault import Failed, Fault
from routing.terms.secret import Secret
from routing.terms.words import ErrorKind

MESSAGE_CHARS = 2000
CODE_CHARS = 120

# Codes and types as the vendors document them; each is compared whole.
PAYMENT_CODES = frozenset({"billing_error", "insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
CONTEXT_CODES = frozenset({"context_length_exceeded", "exceed_context_size_error", "model_context_window_exceeded"})
POLICY_CODES = frozenset({"content_policy_violation", "content_filter", "moderation_blocked", "invalid_prompt"})
KINDS_BY_TYPE: Mapping[str, ErrorKind] = {  # of an error that came with a 200: Anthropic's types
    "authentication_error": ErrorKind.AUTH,
    "permission_error": ErrorKind.AUTH,
    "not_found_error": ErrorKind.CLIENT,
    "invalid_request_error": ErrorKind.CLIENT,
    "request_too_large": ErrorKind.CLIENT,
    "rate_limit_error": ErrorKind.RATE_LIMIT,
    "rate_limit_exceeded": ErrorKind.RATE_LIMIT,
}

# Words of messages, for the vendors that give no code. Lower case.
PAYMENT_WORDS = ("credit balance", "insufficient balance", "insufficient credits", "requires more credits")
CONTEXT_WORDS = (
    "prompt is too long",  # Anthropic
    "exceed context limit",  # Anthropic: input length and max_tokens together
    "maximum context length",  # vLLM, OpenRouter, older OpenAI
    "context window",
    "context size",  # llama.cpp
    "exceeds the maximum number of tokens allowed",  # Gemini
    "input tokens exceed",
)
POLICY_WORDS = (
    "content policy",
    "content management policy",  # Azure
    "content filtering policy",  # Anthropic: "Output blocked by content filtering policy"
    "usage policy",
    "your input was flagged",  # OpenRouter's moderation, a 403
    "prohibited_content",  # Gemini
)


@dataclass(frozen=True, slots=True)
class Said:
    """What an error body says."""

    message: str
    codes: frozenset[str]  # every code, type and status word in it
    code: str | None  # the most telling one
    retry_after_s: float | None = None


def fault_of_status(
    status: int, headers: Mapping[str, str], raw: bytes, *, now: datetime, secret: Secret | None = None
) -> Fault:
    """The fault of an answer that is no 2xx, or of an error body that came with a 200."""
    text = redacted(raw.decode("utf-8", "replace"), secret)
    body = _json(text)
    said = _read(body, text)
    if 300 <= status < 400:
        return Fault(ErrorKind.MALFORMED, _redirect(headers), status)
    asked = retry_after_s(headers, now)
    return Fault(
        kind=_kind(status, said),
        message=plain(said.message or f"HTTP {status} without a message", MESSAGE_CHARS),
        http_status=status,
        retry_after_s=said.retry_after_s if asked is None else asked,
        body=body,
        code=None if said.code is None else plain(said.code, CODE_CHARS),
    )


def fault_of_error(error: BaseException, secret: Secret | None = None) -> Fault:
    """The fault of an exception that the SDKs or httpx2 raised where no answer could be read."""
    cause = error
    if sdks.is_a(error, "APIConnectionError") and error.__cause__ is not None:
        cause = error.__cause__
    kind, what = _transport(cause)
    # Only the network's own words are told: any other error may quote the prompt, or a header with the key in it.
    detail = redacted(str(cause), secret).strip() if kind in (ErrorKind.CONNECT, ErrorKind.TIMEOUT) else ""
    return Fault(kind, plain(f"{what}: {detail}" if detail else what, MESSAGE_CHARS))


def malformed(message: str, http_status: int = 200) -> Failed:
    return Failed(Fault(ErrorKind.MALFORMED, message, http_status))


def truncated(message: str, http_status: int = 200) -> Failed:
    return Failed(Fault(ErrorKind.TRUNCATED, message, http_status))


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that the provider asks to be left alone, from `retry-after-ms` or `Retry-After` (seconds or a date); None without one.

    A date that has passed is 0; what cannot be read is None.
    """
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) * scale
        except ValueError:
            continue
        return max(0.0, seconds) if isfinite(seconds) else None
    try:
        date = parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now.timestamp())


def plain(text: object, chars: int) -> str:
    """What a provider says of itself, as any log, row or page can hold it: no NUL, no half of a surrogate pair, no more than `chars`."""
    return str(text)[:chars].encode("utf-8", "replace").decode().replace("\0", "?")


def redacted(text: str, secret: Secret | None) -> str:
    """`text` without the credential: some servers quote it in their 401."""
    return text.replace(secret.reveal(), "…") if secret else text


def _kind(status: int, said: Said) -> ErrorKind:
    words = said.message.lower()
    if status == 402 or said.codes & PAYMENT_CODES or (status != 200 and _any(PAYMENT_WORDS, words)):
        return ErrorKind.PAYMENT
    if status == 429:
        return ErrorKind.RATE_LIMIT
    if status in (408, 409) or status >= 500:
        return ErrorKind.SERVER
    if said.codes & CONTEXT_CODES or (status in (400, 413, 422) and _any(CONTEXT_WORDS, words)):
        return ErrorKind.CONTEXT_WINDOW
    if said.codes & POLICY_CODES or (status in (400, 403) and _any(POLICY_WORDS, words)):
        return ErrorKind.CONTENT_POLICY
    if status in (401, 403):
        return ErrorKind.AUTH
    if status >= 400:
        return ErrorKind.CLIENT
    return _kind_of_200(said)


def _kind_of_200(said: Said) -> ErrorKind:
    """OpenRouter and its like answer 200 and put the upstream's status into the error's code."""
    for code in said.codes:
        if code.isdecimal() and len(code) == 3 and int(code) >= 400:
            return _kind(int(code), said)
    return next((KINDS_BY_TYPE[code] for code in sorted(said.codes) if code in KINDS_BY_TYPE), ErrorKind.SERVER)


def _transport(error: BaseException) -> tuple[ErrorKind, str]:
    match error:
        case httpx2.ConnectTimeout() | httpx2.ConnectError():
            return ErrorKind.CONNECT, "no connection"
        case httpx2.TimeoutException() | TimeoutError():
            return ErrorKind.TIMEOUT, "no answer in time"
        case httpx2.DecodingError():
            return ErrorKind.MALFORMED, "the answer's compression is broken"
        case httpx2.RemoteProtocolError() | httpx2.NetworkError():
            return ErrorKind.CONNECT, "the connection broke before an answer"
        case UnicodeEncodeError() if error.encoding == "utf-8":
            return ErrorKind.CLIENT, "the request holds text that is not Unicode"
        case _:
            name = type(error).__name__
            return ErrorKind.CONFIG, f"the request could not be sent ({name}); check base_url and the credential"


def _redirect(headers: Mapping[str, str]) -> str:
    host = urlsplit(headers.get("location", "")).hostname
    return f"a redirect{f' to {plain(host, 253)}' if host else ''}, which is never followed; check base_url"


def _any(needles: tuple[str, ...], text: str) -> bool:
    return any(needle in text for needle in needles)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _read(body: Any, text: str) -> Said:
    """The error in the shapes that are about: {"error": {…}} (OpenAI, Anthropic), [{"error": {…}}] (Gemini), {"error": "…"} (Ollama),
    {"message": …} (older vLLM), {"detail": …} (FastAPI); a page of HTML is its first 200 characters."""
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, dict):
        return Said(text.strip()[:200], frozenset(), None)
    error = body.get("error", body)
    if not isinstance(error, dict):
        return Said(str(error), frozenset(), None)
    words = [error.get(name) for name in ("code", "type", "status")]
    codes = [str(word) for word in words if isinstance(word, (str, int)) and not isinstance(word, bool)]
    message = error.get("message") or error.get("detail") or ""
    return Said(
        message if isinstance(message, str) else json.dumps(message),
        frozenset(code.lower() for code in codes),
        codes[0] if codes else None,
        _retry_delay_s(error.get("details")),
    )


def _retry_delay_s(details: Any) -> float | None:
    """Gemini says it in the body: {"@type": "…RetryInfo", "retryDelay": "34s"}."""
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str) and delay.endswith("s"):
            try:
                return max(0.0, float(delay[:-1]))
            except ValueError:
                return None
    return None
