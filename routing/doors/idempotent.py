"""One Idempotency-Key, one provider call: the key is claimed, the call is made behind it, and its answer is replayed to whoever asks again.

This stands around a door as ASGI, and knows no wire but by its errors: what is kept are the bytes that went out. A call without the header
never comes here.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from routing import idempotency
from routing.callers import NoKey, presented_key
from routing.dispatch import keyed
from routing.dispatch.keyed import Keyed, Verdict
from routing.doors.exchange import Exchange, Gone, Receive, Send, whole
from routing.doors.front import CONVERSATIONS
from routing.doors.recording import Recording
from routing.doors.refusal import Refusal, refusal_of
from routing.idempotency import KEPT, Claim, Name, Vault, in_thread
from routing.segments import Full
from routing.terms.ids import uuid7
from routing.terms.words import ClaimState, Scope
from routing.wire import chat, messages

App = Callable[[Any, Receive, Send], Awaitable[None]]
Native = Callable[[Refusal], Mapping[str, Any]]  # a refusal as the API's error body

HEADER = b"idempotency-key"
LONGEST_KEY = 255
NATIVE = "/api/v1/dispatch"
WIRES = {path: wire for path, (wire, _) in CONVERSATIONS.items()} | {"/v1/embeddings": chat}
# Beside path, query and body these decide what is asked for: the same key with others of them is another question.
DECIDING = (
    *(b"x-cortex-task", b"x-cortex-project", b"x-cortex-override", b"x-cortex-background"),
    *(b"anthropic-version", b"anthropic-beta", b"openai-beta"),
)
RUNNING_RETRY_S, AWAY_RETRY_S = 1, 5

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Request:
    body: bytes
    claim: Claim
    vault: Vault


async def once(app: App, scope: Mapping[str, Any], receive: Receive, send: Send, native: Native) -> None:
    """Serve a request that bears the header; what is no dispatch is handed to the app as it is."""
    path: str = scope["path"]
    if scope["method"] != "POST" or (path != NATIVE and path.rstrip("/") not in WIRES):
        await app(scope, receive, send)
        return
    exchange = Exchange(scope, receive, send)
    try:
        request = await _read(exchange, receive)
        found = await in_thread(idempotency.take, request.claim)
    except Gone:
        return
    except Exception as error:  # noqa: BLE001 - told as the doors tell it; a defect is logged there
        await _refuse(exchange, _refusal_of(error), native)
        return
    if found is None:
        await _run(app, scope, send, request)
        return
    kept = _opened(request, found)
    if isinstance(kept, Refusal):
        await _refuse(exchange, kept, native)
    else:
        told = [*kept.headers, (b"idempotent-replayed", b"true")]
        await send({"type": "http.response.start", "status": kept.status, "headers": told})
        await send({"type": "http.response.body", "body": kept.body})


async def _read(exchange: Exchange, receive: Receive) -> _Request:
    """Raises as Exchange.caller does, and ValueError for a header that is no key."""
    caller, key = await exchange.caller(Scope.DISPATCH), presented_key(exchange.header) or ""
    word = _word(exchange)
    body = await whole(receive)
    vault = Vault(key)
    owner = await in_thread(idempotency.this_process)
    now = datetime.now(UTC)
    mac = vault.mac(_asked(exchange, body))
    return _Request(body, Claim(Name(caller.sha256, word), mac, uuid7(now), owner, now + KEPT), vault)


def _word(exchange: Exchange) -> str:
    """The key of the header."""
    values = [value for name, value in exchange.headers if name.lower() == HEADER]
    word = values[0].strip(b" \t")
    if len(values) > 1:
        raise ValueError("Idempotency-Key stands there more than once: send one.")
    if not 0 < len(word) <= LONGEST_KEY or not all(0x21 <= byte <= 0x7E for byte in word):
        raise ValueError(f"Idempotency-Key must be 1 to {LONGEST_KEY} visible ASCII characters, such as a UUID.")
    return word.decode("ascii")


def _asked(exchange: Exchange, body: bytes) -> Iterator[bytes]:
    yield exchange.path.rstrip("/").encode("utf-8", "surrogatepass")
    yield exchange.query
    for wanted in DECIDING:
        yield b",".join(value for name, value in exchange.headers if name.lower() == wanted)
    yield body


async def _run(app: App, scope: Mapping[str, Any], send: Send, request: _Request) -> None:
    """Make the call. It goes on when its client goes away: a key is a client's word that it will come back for the answer."""
    state = Keyed(request.claim.call)
    recording = Recording(send, lambda answer: _settle(request, state, answer))
    token = keyed.current.set(state)
    try:
        await app(scope, _given(request.body), recording.send)
    finally:
        keyed.current.reset(token)
        await recording.end()


def _given(body: bytes) -> Receive:
    """The body, and after it nothing, whatever the client does."""
    parts = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Mapping[str, Any]:
        if parts:
            return parts.pop()
        await asyncio.Event().wait()
        raise AssertionError("nobody sets the event")

    return receive


async def _settle(request: _Request, state: Keyed, answer: Recording) -> None:
    """Write down how the call ended, before the last of its answer goes out. Never raises: the answer is worth more."""

    def write() -> None:
        match keyed.verdict(state, answer.status if answer.is_whole else None):
            case Verdict.RELEASE:
                idempotency.release(request.claim)
            case Verdict.UNKNOWN:
                idempotency.settle(request.claim, ClaimState.UNKNOWN)
            case Verdict.KEEP:
                kept = answer.kept()
                sealed = None if kept is None else request.vault.seal(request.claim.name, kept)
                idempotency.settle(request.claim, ClaimState.DONE, sealed)

    try:
        await in_thread(write)
    except Exception:
        logger.exception("How call %s ended cannot be kept under its Idempotency-Key", request.claim.call)


def _opened(request: _Request, found: Claim) -> idempotency.Kept | Refusal:
    """The answer that was kept, or why there is none."""
    call = str(found.call)
    if found.body_mac != request.claim.body_mac:
        words = "This Idempotency-Key was used for another request in the last 24 hours. Send another key, or the same request."
        return Refusal(422, "idempotency_key_reused", words, call)
    if found.state is ClaimState.RUNNING:
        words = "The call of this Idempotency-Key is being made. Come back in a moment for its answer."
        return Refusal(409, "call_in_progress", words, call, retry_after_s=RUNNING_RETRY_S)
    if found.state is ClaimState.UNKNOWN:
        words = (
            f"Cortex died while it made the call of this Idempotency-Key: a provider may have answered it, and nobody has the answer. "
            f"GET /api/v1/calls/{call} tells what is known. To have it made again, send another key."
        )
        return Refusal(409, "outcome_unknown", words, call)
    try:
        if found.replay is not None:
            return request.vault.open(found.name, found.replay)
    except idempotency.Unreadable:
        logger.warning("The kept answer of call %s does not open: it was changed", call)
    words = f"The call of this Idempotency-Key is done, but its answer was too large to keep. GET /api/v1/calls/{call} tells how it went."
    return Refusal(409, "replay_not_kept", words, call)


def _refusal_of(error: Exception) -> Refusal:
    if isinstance(error, ValueError):
        return Refusal(400, "invalid_idempotency_key", str(error))
    if isinstance(error, idempotency.KeyGone):
        return refusal_of(NoKey("This key is not known, or was revoked, or has expired."))
    if isinstance(error, idempotency.Away):
        words = "PostgreSQL does not answer now, and without it nobody knows what became of this Idempotency-Key. No provider was called."
        return Refusal(503, "claims_unavailable", words, retry_after_s=AWAY_RETRY_S)
    if isinstance(error, OSError | Full):
        logger.error("An Idempotency-Key cannot be claimed: %s", error)
        words = (
            "The data dir of Cortex cannot be written, so no Idempotency-Key can be claimed. No provider was called."
        )
        return Refusal(503, "recording_unavailable", words, retry_after_s=AWAY_RETRY_S)
    return refusal_of(error)


async def _refuse(exchange: Exchange, refusal: Refusal, native: Native) -> None:
    """In the shape of who was asked. The SDKs try a 409 again by themselves: they are told where that is in vain."""
    headers = refusal.headers
    if refusal.retry_after_s is None:
        headers["X-Should-Retry"] = "false"
    if exchange.path == NATIVE:
        if refusal.status == 401:
            headers["WWW-Authenticate"] = 'Bearer realm="cortex"'
        await exchange.answer(refusal.status, native(refusal), headers)
        return
    wire = WIRES[exchange.path.rstrip("/")]
    words = refusal.message
    if wire is messages:  # it has no place for a code
        words = f"{words} ({refusal.code})"
    body = wire.error(refusal.status, refusal.code, words, refusal.request_id, refusal.details)
    await exchange.answer(refusal.status, body, headers)
