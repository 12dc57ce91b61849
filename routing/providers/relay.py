"""The relay: a client's own bytes to a provider that speaks its wire, and the provider's own bytes back.

Only the model's name is changed, and the credential. The same faults are told from answers as over the SDKs, and the same is read of
them; a tool call's arguments are the client's to parse. Options read: `headers`, `stream_usage`.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

from routing.providers.anthropic import base_url as anthropic_url
from routing.providers.base import Endpoint
from routing.providers.errors import fault_of_status, malformed, plain, redacted, truncated
from routing.providers.exchange import ID_CHARS, MAX_ANSWER_BYTES, first_byte_s
from routing.providers.http1 import Response
from routing.providers.http1_head import head_of
from routing.providers.http1_pool import NoConnection, Upstream, connection, upstream
from routing.providers.openai import base_url as openai_url
from routing.providers.relay_body import adds_usage, body_of
from routing.providers.relay_headers import headers_of, secrets_of, told
from routing.providers.relay_reading import READINGS, Reading
from routing.providers.relay_stream import Scan
from routing.terms.event import Heard, StreamEnd, StreamStart, UsageTold
from routing.terms.fault import Failed, Fault
from routing.terms.ids import stored_name
from routing.terms.raw import Passed, Raw, decoded
from routing.terms.request import Answer, Request, Timeouts
from routing.terms.secret import Secret
from routing.terms.words import ErrorKind, ProviderKind

# After the stream's last word: how long its connection is waited for, to be used again.
LINGER_S = 0.5


class Relay:
    """A lane of its own beside the adapters; for requests that are `raw` in the provider's wire."""

    async def complete(self, endpoint: Endpoint, request: Request, timeouts: Timeouts) -> Answer:
        raw, wait_s = _raw(request), first_byte_s(timeouts, request.max_tokens)
        response = await _opened(endpoint, raw, timeouts, wait_s)
        try:
            body = await read_body(response, timeouts.idle_s)
        finally:
            response.close()
        reading = READINGS[raw.wire]()
        _read_whole(reading, endpoint, raw, response, body)
        return _answer(reading, raw, response, Passed(response.status, told(response.headers), body))

    async def stream(self, endpoint: Endpoint, request: Request, timeouts: Timeouts) -> AsyncIterator[Heard]:
        raw, loop = _raw(request), asyncio.get_running_loop()
        first_by = loop.time() + timeouts.first_token_s
        reading, adds = READINGS[raw.wire](), adds_usage(raw, endpoint)
        response = await _opened(endpoint, raw, timeouts, timeouts.first_token_s, adds=adds)
        try:

            def fault_of(data: bytes) -> Fault:
                return _fault(endpoint, raw, response, data)

            scan = Scan(reading, fault_of, drops_usage=adds)
            has_started = is_over = False
            told_usage = reading.usage
            while not is_over:
                until = loop.time() + timeouts.idle_s if scan.has_begun else first_by
                relayed = scan.feed(await _some(response, until))
                is_over = reading.is_over
                if is_over and not reading.stop:
                    raise truncated(f"the {reading.noun} ended without saying why", response.status)
                if relayed is not None and not has_started:
                    has_started = True
                    told_usage = reading.usage
                    yield StreamStart(reading.model, _id(reading, response), reading.usage, told(response.headers))
                if relayed is not None:
                    yield relayed
                if reading.usage is not told_usage and reading.usage is not None and not is_over:
                    told_usage = reading.usage
                    yield UsageTold(told_usage)
            await _emptied(response)
            yield StreamEnd(_answer(reading, raw, response))
        finally:
            response.close()

    def thinking_control(self, endpoint: Endpoint, request: Request) -> str:
        return "as the client asked" if request.thinking_budget or request.effort or request.thinks else ""


def _raw(request: Request) -> Raw:
    if request.raw is None:
        raise Failed(Fault(ErrorKind.CONFIG, "only what came over a wire can be relayed"))
    return request.raw


async def _opened(endpoint: Endpoint, raw: Raw, timeouts: Timeouts, wait_s: float, *, adds: bool = False) -> Response:
    """The 2xx answer to the relayed request, its body unread, to be closed; Failed for any other. `adds`: see `body_of`."""
    until = asyncio.get_running_loop().time() + wait_s
    try:
        body, to = body_of(raw, endpoint, adds=adds), upstream_of(endpoint)
        head = head_of(_target(to, raw), to.named, headers_of(raw, endpoint), len(body))
        connected = await connection(to, endpoint.address, timeouts.connect_s)
        response = await connected.ask(head, body, until)
    except Failed:
        raise
    except Exception as error:  # noqa: BLE001 - the network's, ssl's, ValueErrors of names and addresses
        raise Failed(transport_fault(error, secrets_of(raw, endpoint))) from None
    if 200 <= response.status < 300:
        return response
    try:
        raise Failed(_fault(endpoint, raw, response, await read_body(response, timeouts.idle_s)))
    finally:
        response.close()


def transport_fault(error: Exception, secrets: list[Secret]) -> Fault:
    match error:
        case NoConnection():
            kind, what = ErrorKind.CONNECT, "no connection"
        case TimeoutError():
            kind, what = ErrorKind.TIMEOUT, "no answer in time"
        case ConnectionError():
            kind, what = ErrorKind.CONNECT, "the connection broke before an answer"
        case _:
            name = "" if isinstance(error, ValueError) else f" ({type(error).__name__})"
            return Fault(ErrorKind.CONFIG, f"the request could not be sent{name}; check base_url and the credential")
    detail = str(error).strip()
    for secret in secrets:
        detail = redacted(detail, secret)
    return Fault(kind, plain(f"{what}: {detail}" if detail else what, 2000))


async def _some(response: Response, until: float) -> bytes:
    """Bytes of the body as they came; b"" at its end."""
    try:
        return await response.some(until)
    except TimeoutError:
        raise Failed(Fault(ErrorKind.TIMEOUT, "no answer in time")) from None
    except ConnectionError:
        raise truncated("the connection broke in the middle of the answer", response.status) from None


async def read_body(response: Response, idle_s: float) -> bytes:
    """The whole body. Failed when it stops for `idle_s`, breaks off or grows past the limit."""
    loop, parts, size = asyncio.get_running_loop(), [], 0
    while data := await _some(response, loop.time() + idle_s):
        parts.append(data)
        size += len(data)
        if size > MAX_ANSWER_BYTES:
            raise malformed(f"the answer is longer than {MAX_ANSWER_BYTES:,} bytes", response.status)
    return b"".join(parts)


async def _emptied(response: Response) -> None:
    """Read to the body's end, which comes right behind the last word; a server that keeps it open loses its connection."""
    until = asyncio.get_running_loop().time() + LINGER_S
    try:
        while await response.some(until):
            pass
    except (TimeoutError, ConnectionError):
        return


def _read_whole(reading: Reading, endpoint: Endpoint, raw: Raw, response: Response, body: bytes) -> None:
    try:
        parsed = decoded(body)
    except (ValueError, RecursionError):
        raise malformed(f"HTTP {response.status}, but no JSON: {len(body)} bytes", response.status) from None
    if not isinstance(parsed, dict):
        raise malformed(f"HTTP {response.status}, but no JSON object", response.status)
    if parsed.get("error"):  # OpenRouter and others report an upstream's error with a 200
        raise Failed(_fault(endpoint, raw, response, body))
    reading.whole(parsed)


def _fault(endpoint: Endpoint, raw: Raw, response: Response, body: bytes) -> Fault:
    """The fault that an error body tells, and the body itself for the client, without any credential."""
    text = body.decode("utf-8", "surrogateescape")
    for secret in secrets_of(raw, endpoint):
        text = redacted(text, secret)
    clean = text.encode("utf-8", "surrogateescape")
    fault = fault_of_status(response.status, response.headers, clean, now=datetime.now(UTC))
    return replace(fault, passed=Passed(response.status, told(response.headers), clean))


def _answer(reading: Reading, raw: Raw, response: Response, passed: Passed | None = None) -> Answer:
    is_kept = reading.is_kept and raw.get("store") is not False  # who says nothing has it kept
    return Answer(
        reading.text,
        reading.stop,
        reading.model,
        reading.usage,
        provider_request_id=_id(reading, response),
        stored=stored_name(reading.id) if is_kept else "",
        passed=passed,
    )


def _id(reading: Reading, response: Response) -> str | None:
    return plain(response.headers.get(reading.id_header) or reading.id, ID_CHARS) or None


def upstream_of(endpoint: Endpoint) -> Upstream:
    return upstream((anthropic_url if endpoint.kind is ProviderKind.ANTHROPIC else openai_url)(endpoint))


def _target(to: Upstream, raw: Raw) -> str:
    return f"{to.path}{READINGS[raw.wire].path}{f'?{raw.query}' if raw.query else ''}"
