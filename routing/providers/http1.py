"""HTTP/1.1 as the relay needs it: one POST at a time over a kept connection, its answer's bytes as they come.

An own client because this is the path that every relayed call takes twice: aiohttp spends 135 µs of CPU there and this one 40, of the 85 µs
that a bare relay needs beside its server (benchmarks/results/dispatch.json). The bytes are read by httptools (llhttp), the parser of Node and uvicorn.
No redirects, no cookies, no retries, nothing from the environment. Connections are `http1_pool`'s.
"""

import asyncio
import zlib
from collections import deque

import httptools

PAUSE_BYTES = 256 * 1024  # so much may wait to be read; after that the provider waits
MAX_HEAD_BYTES = 64 * 1024
MAX_UNPACKED_BYTES = 64 * 1024 * 1024  # of what waits to be read; a small packet may unpack to anything
WHOLE_BYTES = 64 * 1024  # a request up to that is sent in one piece
_PACKED = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # zlib's window bits


class Broken(ConnectionError):
    """The connection ended, or what came over it is no HTTP."""


class Response:
    """The head of an answer, and its body by `some` until b"". One reader."""

    def __init__(self, connection: "Connection") -> None:
        self.status = 0
        self.headers: dict[str, str] = {}  # names in lower case; of a name that stands twice the values, joined by ", "
        self.is_over = False  # the whole body has come, though it may not have been read
        self._connection = connection
        self._chunks: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._unpack: zlib._Decompress | None = None

    @property
    def is_read(self) -> bool:
        return self.is_over and not self._chunks

    async def some(self, until: float) -> bytes:
        """Bytes of the body as they came; b"" at its end. `until` is on the loop's clock. Raises TimeoutError and Broken."""
        while True:
            while not self._chunks:
                if self.is_over:
                    return b""
                await self._connection.wait(until)
            data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
            self._chunks.clear()
            self._waiting_bytes = 0
            self._connection.resume()
            if self._unpack is not None:
                data = self._unpacked(data)
            if data:
                return data

    def close(self) -> None:
        """Let go of the answer: a connection whose answer was read to its end is kept, any other ends, and the provider's work with it."""
        self._connection.release(self)

    def add(self, data: bytes) -> bool:
        """Take in a piece of the body; whether as much waits as may."""
        self._chunks.append(data)
        self._waiting_bytes += len(data)
        return self._waiting_bytes >= PAUSE_BYTES

    def begin(self, headers: list[tuple[bytes, bytes]], status: int) -> None:
        self.status = status
        told = self.headers
        for name, value in headers:
            key, text = name.decode("latin-1").lower(), value.decode("utf-8", "replace")
            told[key] = f"{told[key]}, {text}" if key in told else text
        packed = told.get("content-encoding")
        if packed is not None and packed != "identity":  # nobody asked for it
            if packed not in _PACKED:
                raise Broken(f"the answer is packed in a way that was not asked for: {packed[:40]!r}")
            self._unpack = zlib.decompressobj(_PACKED[packed])

    def _unpacked(self, data: bytes) -> bytes:
        assert self._unpack is not None
        try:
            unpacked = self._unpack.decompress(data, MAX_UNPACKED_BYTES)
        except zlib.error:
            raise Broken("the packed answer cannot be unpacked") from None
        if self._unpack.unconsumed_tail:
            raise Broken(f"the packed answer unpacks to more than {MAX_UNPACKED_BYTES:,} bytes at once")
        return unpacked


class Connection(asyncio.Protocol):
    """One connection. `ask`, read the response, `close` it; then ask again while `is_free`."""

    def __init__(self) -> None:
        self.is_free = True  # open, and no exchange on it
        self.freed_at = 0.0
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._response: Response | None = None
        self._head: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._has_head = False
        self._has_length = False  # the body's end is told by its length or its last chunk, not by the connection's end
        self._keeps = False
        self._is_paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._lost: Exception | None = None
        self._loop = asyncio.get_running_loop()
        self._kept_by: list[Connection] | None = None

    # --- of the exchange

    async def ask(self, head: bytes, body: bytes, until: float) -> Response:
        """Send one request; its response with the head read. Raises TimeoutError and Broken; then the connection is closed."""
        if self._transport is None or self._lost is not None:
            raise Broken("the connection is closed")
        self.is_free = self._has_head = self._has_length = self._keeps = False
        self._head, self._head_bytes = [], 0
        self._parser = httptools.HttpResponseParser(self)
        response = self._response = Response(self)
        try:
            if len(body) < WHOLE_BYTES:
                self._transport.write(head + body)
            else:
                self._transport.writelines((head, body))
            while not self._has_head:
                await self.wait(until)
        except BaseException:
            self.abort()
            raise
        return response

    async def wait(self, until: float) -> None:
        """Until something has come."""
        if self._lost is not None:
            raise Broken(str(self._lost))
        waiter = self._waiter = self._loop.create_future()
        timer = self._loop.call_at(until, _expire, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiter = None

    def resume(self) -> None:
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()

    def release(self, response: Response) -> None:
        """The exchange of `response` is done with."""
        if self._response is not response:
            return
        self._response = self._parser = None
        if response.is_over and self._keeps and self._lost is None and self._kept_by is not None:
            self.is_free = True
            self.freed_at = self._loop.time()
            self._kept_by.append(self)
            self.resume()
        else:
            self.abort()

    def keep_in(self, kept: "list[Connection]") -> None:
        """Where it goes whenever it is free again."""
        self._kept_by = kept

    def abort(self) -> None:
        self.is_free = False
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio's protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # TCP or TLS

    def data_received(self, data: bytes) -> None:
        if self._parser is None:  # nobody asked: whatever it is, the next answer must not begin with it
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail("the answer is no HTTP")
        self._wake()

    def eof_received(self) -> None:
        return None  # close

    def connection_lost(self, error: Exception | None) -> None:
        self.is_free = False
        response = self._response
        if response is not None and self._has_head and not self._has_length and error is None and self._lost is None:
            response.is_over = True
        elif self._lost is None:
            self._lost = Broken(str(error) if error else "the connection was closed")
        self._transport = None
        if self._kept_by is not None and self in self._kept_by:
            self._kept_by.remove(self)
        self._wake()

    # --- httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head.append((name, value))
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._fail(f"the head of the answer is longer than {MAX_HEAD_BYTES:,} bytes")

    def on_headers_complete(self) -> None:
        parser, response = self._parser, self._response
        if parser is None or response is None:
            return
        status = parser.get_status_code()
        if status < 200 and status != 101:  # "100 Continue", "103 Early Hints": the answer is still to come
            return
        try:
            response.begin(self._head, status)
        except Broken as error:
            self._fail(str(error))
        self._has_head = True
        self._has_length = "content-length" in response.headers or "chunked" in response.headers.get(
            "transfer-encoding", ""
        )

    def on_body(self, data: bytes) -> None:
        response = self._response
        if response is not None and response.add(data) and not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if not self._has_head:  # of an informational answer
            self._head, self._head_bytes = [], 0
            return
        if self._response is not None and self._parser is not None:
            self._response.is_over = True
            self._keeps = self._parser.should_keep_alive()

    def on_message_begin(self) -> None:
        if self._has_head:  # a second answer to one request: the two sides do not agree on where answers end
            self._fail("more came than one answer")

    # ---

    def _fail(self, why: str) -> None:
        if self._lost is None:
            self._lost = Broken(why)
        self._keeps = False
        self.abort()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


def _expire(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())


_BAD = ("\r", "\n", "\0")


def head_of(target: str, host: str, headers: list[tuple[str, str]], length: int) -> bytes:
    """The head of a POST. Raises ValueError for what would end a line of it early."""
    lines = [f"POST {target} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}"]
    lines += [f"{name}: {value}" for name, value in headers]
    text = "\r\n".join(lines)
    if text.count("\n") != len(lines) + 1 or text.count("\r") != len(lines) + 1 or "\0" in text:
        raise ValueError("a header holds a line break")
    return f"{text}\r\n\r\n".encode()
