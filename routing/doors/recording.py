"""An answer as it goes out, written along: what a client got, byte for byte."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from routing.doors.exchange import Send
from routing.idempotency import Kept

KEPT_BYTES = 8 * 1024 * 1024  # of an answer's body: some 30,000 tokens in the wordiest of the streams, many times over
# What was true of that moment, or of that connection, and would mislead whoever reads it a day later.
_OF_THEN = frozenset({b"date", b"connection", b"transfer-encoding", b"keep-alive", b"retry-after", b"retry-after-ms"})
_OF_THEN_PREFIXES = (b"x-ratelimit-", b"anthropic-ratelimit-")


class Recording:
    """`send` passes everything on. `settle` runs once: before the last of a whole answer goes out, or at `end`."""

    def __init__(self, send: Send, settle: Callable[["Recording"], Awaitable[None]]) -> None:
        self._send, self._settle = send, settle
        self.status: int | None = None
        self.is_whole = False  # the answer has come to its end
        self._headers: list[tuple[bytes, bytes]] = []
        self._parts: list[bytes] = []
        self._size = 0
        self._settling: asyncio.Task[None] | None = None

    async def send(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._headers = [(bytes(name), bytes(value)) for name, value in message["headers"]]
        elif message["type"] == "http.response.body":
            self._keep(message.get("body", b""))
            if not message.get("more_body", False):
                self.is_whole = True
                await self.end()
        await self._send(message)

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= KEPT_BYTES:
            self._parts.append(part)
        else:
            self._parts.clear()

    def kept(self) -> Kept | None:
        """None for an answer that is too large to keep."""
        if self._size > KEPT_BYTES or self.status is None:
            return None
        headers = [
            pair
            for pair in self._headers
            if pair[0].lower() not in _OF_THEN and not pair[0].lower().startswith(_OF_THEN_PREFIXES)
        ]
        return Kept(self.status, tuple(headers), b"".join(self._parts))

    async def end(self) -> None:
        """No more will come. Who is cancelled while it waits does not take what is being written with it."""
        if self._settling is None:
            self._settling = asyncio.ensure_future(self._settle(self))
        await asyncio.shield(self._settling)
