"""One Idempotency-Key, one provider call: the key is claimed, the call is made behind it, and its answer is replayed to whoever asks again.

This stands around a door as ASGI, and knows no wire but by its errors: what is kept are the bytes that went out. A call without the header
never comes here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from routing.callers import presented_key
from routing.dispatch import keyed
from routing.dispatch.keyed import Keyed
from routing.doors import claiming
from routing.doors.claiming import LONGEST_KEY, Made, NoWord, Wanted
from routing.doors.exchange import Exchange, Gone, Receive, Send, whole
from routing.doors.front import CONVERSATIONS
from routing.doors.recording import Recording
from routing.doors.refusal import Refusal
from routing.terms.words import Scope
from routing.wire import chat, messages

App = Callable[[Any, Receive, Send], Awaitable[None]]
Native = Callable[[Refusal], Mapping[str, Any]]  # a refusal as the API's error body

HEADER = b"idempotency-key"
NATIVE = {"/api/v1/dispatch": Made.CALL, "/api/v1/batches": Made.BATCH}
WIRES = {path: wire for path, (wire, _) in CONVERSATIONS.items()} | {"/v1/embeddings": chat}
# Beside path, query and body these decide what is asked for: the same key with others of them is another question.
DECIDING = (
    *(b"x-cortex-task", b"x-cortex-project", b"x-cortex-override", b"x-cortex-background"),
    *(b"anthropic-version", b"anthropic-beta", b"openai-beta"),
)


@dataclass(frozen=True, slots=True)
class _Request:
    body: bytes
    want: Wanted


async def once(app: App, scope: Mapping[str, Any], receive: Receive, send: Send, native: Native) -> None:
    """Serve a request that bears the header; what is neither a dispatch nor a batch is handed to the app as it is."""
    path: str = scope["path"]
    if scope["method"] != "POST" or (path not in NATIVE and path.rstrip("/") not in WIRES):
        await app(scope, receive, send)
        return
    exchange = Exchange(scope, receive, send)
    try:
        request = await _read(exchange, receive)
        found = await claiming.taken(request.want)
    except Gone:
        return
    except Exception as error:  # noqa: BLE001 - told as the doors tell it; a defect is logged there
        await _refuse(exchange, claiming.refusal(error), native)
        return
    if found is None:
        await _run(app, scope, send, request)
    elif isinstance(found, Refusal):
        await _refuse(exchange, found, native)
    else:
        told = [*found.headers, (b"idempotent-replayed", b"true")]
        await send({"type": "http.response.start", "status": found.status, "headers": told})
        await send({"type": "http.response.body", "body": found.body})


async def _read(exchange: Exchange, receive: Receive) -> _Request:
    """Raises as Exchange.caller does, and NoWord for a header that is no key."""
    caller, key = await exchange.caller(Scope.DISPATCH), presented_key(exchange.header) or ""
    word = word_of(exchange)
    body = await whole(receive)
    made = NATIVE.get(exchange.path, Made.CALL)
    return _Request(body, await claiming.wanted(caller, key, word, _asked(exchange, body), made))


def word_of(exchange: Exchange) -> str:
    """The key of the header. Raises NoWord."""
    values = [value for name, value in exchange.headers if name.lower() == HEADER]
    word = values[0].strip(b" \t")
    if len(values) > 1:
        raise NoWord("Idempotency-Key stands there more than once: send one.")
    if not claiming.is_word(word):
        raise NoWord(f"Idempotency-Key must be 1 to {LONGEST_KEY} visible ASCII characters, such as a UUID.")
    return word.decode("ascii")


def _asked(exchange: Exchange, body: bytes) -> Iterator[bytes]:
    yield exchange.path.rstrip("/").encode("utf-8", "surrogatepass")
    yield exchange.query
    for wanted in DECIDING:
        yield b",".join(value for name, value in exchange.headers if name.lower() == wanted)
    yield body


async def _run(app: App, scope: Mapping[str, Any], send: Send, request: _Request) -> None:
    """Make the call. It goes on when its client goes away: a key is a client's word that it will come back for the answer."""
    state = Keyed(request.want.claim.call)

    async def settle(answer: Recording) -> None:
        await claiming.settle(request.want, state, answer.status if answer.is_whole else None, answer.kept)

    recording = Recording(send, settle)
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


async def _refuse(exchange: Exchange, refusal: Refusal, native: Native) -> None:
    """In the shape of who was asked. The SDKs try a 409 again by themselves: they are told where that is in vain."""
    headers = refusal.headers
    if refusal.retry_after_s is None:
        headers["X-Should-Retry"] = "false"
    if exchange.path in NATIVE:
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
