"""One request and its answer, over ASGI."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
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
        self._headers = {name.lower(): value for name, value in self.headers}

    def header(self, name: str) -> str | None:
        """As latin-1, which every byte string is."""
        value = self._headers.get(_as_sent(name))
        return None if value is None else value.decode("latin-1").strip()

    async def caller(self, scope: Scope | None = None) -> Caller:
        """Whose key it is. Raises NoKey, NotAllowed or NotReady."""
        return await caller_in_loop(presented_key(self.header), scope)

    async def body(self) -> Body:
        """The JSON object that came. Raises Packed, Malformed and Gone."""
        if (self.header("content-encoding") or "identity").lower() != "identity":
            raise Packed("The body must be plain JSON: send it without a Content-Encoding.")
        parts: list[bytes] = []
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Gone
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                break
        raw = b"".join(parts)
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
        pairs = [(name.lower().encode("ascii"), value.encode("latin-1", "replace")) for name, value in headers.items()]
        pairs.append((b"x-content-type-options", b"nosniff"))
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Within it the task is cancelled when the client goes away; that is the end of it, and no error."""
        task, loop, gone = asyncio.current_task(), asyncio.get_running_loop(), False
        watching: asyncio.Task[None] | None = None

        async def watch() -> None:
            nonlocal gone
            while (await self._receive())["type"] != "http.disconnect":
                pass
            gone = True
            if task is not None:
                task.cancel()

        def begin() -> None:
            nonlocal watching
            watching = loop.create_task(watch())

        timer = loop.call_later(WATCH_AFTER_S, begin)
        try:
            yield
        except asyncio.CancelledError:
            if not gone:
                raise
        finally:
            timer.cancel()
            if watching is not None:
                watching.cancel()


@lru_cache(256)
def _as_sent(name: str) -> bytes:
    return name.lower().encode("latin-1")
