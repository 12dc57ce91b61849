"""One request and its answer, over ASGI."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from routing.callers import caller_in_loop, presented_key
from routing.clients import Caller
from routing.terms.raw import Passed
from routing.terms.words import Scope
from routing.wire.body import Body, NoObject

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


# How long a call may take before its client is watched: most are over by then, and a task for each would be a tenth of their CPU.
WATCH_AFTER_S = 0.05


class Gone(Exception):
    """The client went away before its request was whole: there is nobody to answer."""


class Malformed(Exception):
    """The body is no JSON object."""


class Packed(Exception):
    """The body came under a Content-Encoding: nobody can say what it grows to before it is unpacked."""


class Exchange:
    def __init__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.size = 0  # bytes of the body
        self.has_begun = False  # the answer's head is sent
        self._receive, self._send = receive, send
        self.headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
        self.query: bytes = scope.get("query_string", b"")
        self._headers = dict(self.headers)  # ASGI has their names in lower case

    def header(self, name: str) -> str | None:
        """By its name in lower case; as latin-1, which every byte string is."""
        value = self._headers.get(name.encode())
        return None if value is None else value.decode("latin-1").strip()

    def says(self, names: frozenset[bytes]) -> bool:
        """Whether any of these headers is there."""
        return not names.isdisjoint(self._headers)

    async def caller(self, scope: Scope | None = None) -> Caller:
        """Whose key it is. Raises NoKey, NotAllowed or NotReady."""
        return await caller_in_loop(presented_key(self.header), scope)

    async def body(self) -> Body:
        """The JSON object that came. Raises Packed, Malformed and Gone."""
        if (self.header("content-encoding") or "identity").lower() != "identity":
            raise Packed("The body must be plain JSON: send it without a Content-Encoding.")
        raw = await whole(self._receive)
        self.size = len(raw)
        try:
            return Body(raw)
        except NoObject:
            raise Malformed("The body must be a JSON object.") from None
        except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
            raise Malformed(
                f"The body is no JSON: {str(error)[:200] if isinstance(error, json.JSONDecodeError) else 'it cannot be read'}."
            ) from None

    async def answer(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        """A whole answer, in JSON."""
        content = json.dumps(body, separators=(",", ":"), default=str).encode()
        await self._start(
            status, {"content-type": "application/json", "content-length": str(len(content)), **(headers or {})}
        )
        await self._send({"type": "http.response.body", "body": content})

    async def hand_on(self, passed: Passed, headers: Mapping[str, str]) -> None:
        """A provider's whole answer as it came, with ours beside its headers."""
        length = {"content-length": str(len(passed.body))}
        await self._start(passed.status, {"content-type": "application/json", **passed.headers, **length, **headers})
        await self._send({"type": "http.response.body", "body": passed.body})

    async def begin(self, headers: Mapping[str, str]) -> None:
        """The head of an event stream."""
        kept = {
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-cache",
            "x-accel-buffering": "no",
        }
        await self._start(200, {**kept, **headers})

    async def write(self, events: bytes) -> None:
        if events:
            await self._send({"type": "http.response.body", "body": events, "more_body": True})

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b""})

    async def _start(self, status: int, headers: Mapping[str, str]) -> None:
        self.has_begun = True
        pairs = [(_sent(name), value.encode("latin-1", "replace")) for name, value in headers.items()]
        pairs.append((b"x-content-type-options", b"nosniff"))
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})

    def watched(self) -> "Watched":
        """Within it the task is cancelled when the client goes away; that is the end of it, and no error."""
        return Watched(self._receive)


class Watched:
    """See `Exchange.watched`."""

    __slots__ = ("_is_gone", "_receive", "_task", "_timer", "_watching")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._is_gone = False
        self._watching: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._begin)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()
        return self._is_gone and isinstance(error, asyncio.CancelledError)

    def _begin(self) -> None:
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._is_gone = True
        if self._task is not None:
            self._task.cancel()


async def whole(receive: Receive) -> bytes:
    """The body that comes. Raises Gone."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


# Names of headers as they are sent: ours, and the few of a provider's that are handed on.
_sent = lru_cache(512)(lambda name: name.lower().encode("ascii"))
