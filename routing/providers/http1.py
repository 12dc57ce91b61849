"""HTTP/1.1 as the relay needs it: one POST at a time over a kept connection, its answer's bytes as they come.

An own client because this is the path that every relayed call takes twice: aiohttp spends 135 µs of CPU there and this one 45, of the 85 µs
that a bare relay needs beside its server (benchmarks/results/dispatch.json). The bytes are read by httptools (llhttp), the parser of Node and of
uvicorn. No redirects, no cookies, no retries, nothing from the environment. Connections are `http1_pool`'s.
"""

import asyncio
import select
import zlib
from collections import deque
from collections.abc import Callable

import httptools

PAUSE_BYTES = 256 * 1024  # so much may wait to be read, then the provider waits; so much is unpacked at a time
MAX_HEAD_BYTES = 64 * 1024
WHOLE_BYTES = 64 * 1024  # a request up to that is sent in one piece
_PACKED = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # zlib's window bits


class Broken(ConnectionError):
    """The connection ended, or what came over it is no HTTP."""


class Unpackable(Broken):
    """The answer is not packed as its head says."""


class Response:
    """The head of an answer, and its body by `some` until b"". One reader. All that is known of one exchange, and gone with it."""

    __slots__ = (
        *("status", "headers", "is_over", "keeps", "_connection", "_head", "_head_bytes", "other_bytes"),
        *("_tells_end", "chunks", "waiting_bytes", "_packed", "_unpack", "on_body"),
    )

    def __init__(self, connection: "Connection") -> None:
        self.status = 0  # until the head is there
        self.headers: dict[str, str] = {}  # names in lower case; of a name that stands twice the values, joined by ", "
        self.is_over = False  # the whole body has come, though it may not have been read
        self.keeps = False  # the connection may be asked again
        self._connection = connection
        self._head: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self.other_bytes = 0  # come since something of the body came: of a head, a trailer, a chunk's extension
        self._tells_end = True  # the body's end is told by its length or its last chunk, not by the connection's end
        self.chunks: deque[bytes] = deque()
        self.waiting_bytes = 0
        self.on_body = self.chunks.append  # called by httptools for each piece
        self._packed = 0  # window bits
        self._unpack: zlib._Decompress | None = None

    async def some(self, until: float) -> bytes:
        """Bytes of the body as they came; b"" at its end. `until` is on the loop's clock. Raises TimeoutError and Broken."""
        while True:
            while not self.chunks:
                if self.is_over:
                    if self._unpack is not None and not self._unpack.eof:
                        raise Broken("the packed answer breaks off")
                    return b""
                await self._connection.wait(self, until)
            data = self.chunks[0] if len(self.chunks) == 1 else b"".join(self.chunks)
            self.chunks.clear()
            self.waiting_bytes = 0
            if self._packed:
                data = self._unpacked(data)
            if self.waiting_bytes < PAUSE_BYTES:
                self._connection.resume(self)
            if data:
                return data

    def close(self) -> None:
        """Let go of the answer: a connection over which all of it came is kept, any other ends, and the provider's work with it."""
        self._connection.release(self)

    def came(self, many: int, *, is_body: bool) -> None:
        """So many bytes have come, some of them of the body."""
        self.other_bytes = 0 if is_body else self.other_bytes + many
        self.waiting_bytes += many if is_body else 0
        if self.waiting_bytes >= PAUSE_BYTES:
            self._connection.pause()

    def end(self) -> None:
        """The provider has said all that it will."""
        if self.status and not self._tells_end:
            self.is_over = True

    def _unpacked(self, data: bytes) -> bytes:
        if self._unpack is None:
            self._unpack = zlib.decompressobj(self._packed)
        try:
            unpacked = self._unpack.decompress(data, PAUSE_BYTES)  # a small packet may unpack to anything
        except zlib.error:
            raise Unpackable("the packed answer cannot be unpacked") from None
        if self._unpack.unused_data:
            raise Unpackable("more came than the packed answer")
        if rest := self._unpack.unconsumed_tail:
            self.chunks.append(rest)
            self.waiting_bytes = len(rest)
        return unpacked

    # --- httptools; what is raised here stops the parser

    def on_message_begin(self) -> None:
        if self.status:  # a second answer to one request: the two sides do not agree on where answers end
            raise Broken("more came than one answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head.append((name, value))
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise Broken(f"the head of the answer is longer than {MAX_HEAD_BYTES:,} bytes")

    def on_headers_complete(self) -> None:
        head, self._head, parser = self._head, [], self._connection.parser
        status = parser.get_status_code() if parser is not None else 0
        if 100 <= status < 200 and status != 101:  # "100 Continue", "103 Early Hints": the answer is still to come
            return
        if not 200 <= status < 600:
            raise Broken(f"status {status} is no answer to what was asked")
        told = self.headers
        for name, value in head:
            key, text = name.decode("latin-1").lower(), value.decode("utf-8", "replace").strip()
            told[key] = f"{told[key]}, {text}" if key in told else text
        packed = told.get("content-encoding", "").lower()
        if packed and packed != "identity":  # nobody asked for it
            if packed not in _PACKED:
                raise Broken(f"the answer is packed in a way that was not asked for: {packed[:40]!r}")
            self._packed = _PACKED[packed]
        coding = told.get("transfer-encoding")
        if coding is not None and coding.lower() != "chunked":
            raise Broken(f"the answer is sent in a way that was not asked for: {coding[:40]!r}")
        self._tells_end = coding is not None or "content-length" in told
        self.status = status

    def on_message_complete(self) -> None:
        if self.status:  # not of an informational answer
            self.is_over = True
            self.keeps = self._connection.may_keep()


class Connection(asyncio.Protocol):
    """One connection. `ask`, read the response, `close` it; then it is told to `freed`, or has ended."""

    def __init__(self, freed: Callable[["Connection"], None]) -> None:
        self.freed_at = 0.0
        self._freed = freed
        self._is_free = False  # open, and no exchange on it
        self._transport: asyncio.Transport | None = None  # None again once it has ended
        self._poll = select.poll()
        self.parser: httptools.HttpResponseParser | None = None  # of the response under way
        self._response: Response | None = None
        self._is_paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._ended = "it is not open"  # why nothing can be read or asked
        self._loop = asyncio.get_running_loop()

    def is_quiet(self) -> bool:
        """Free, and nothing lies in the socket that the loop has not seen yet: a goodbye, or bytes of which nobody knows whose they are."""
        transport = self._transport
        return self._is_free and transport is not None and not transport.is_closing() and not self._poll.poll(0)

    async def ask(self, head: bytes, body: bytes, until: float) -> Response:
        """Send one request; its response with the head read. Raises TimeoutError and Broken; then the connection has ended."""
        transport = self._transport
        if transport is None or not self._is_free:
            raise Broken(self._ended or "the connection was closed")
        self._is_free = False
        response = self._response = Response(self)
        self.parser = httptools.HttpResponseParser(response)
        try:
            if len(body) < WHOLE_BYTES:
                transport.write(head + body)
            else:
                transport.writelines((head, body))
            while not response.status:
                await self.wait(response, until)
        except BaseException:
            self.abort()
            raise
        return response

    async def wait(self, response: Response, until: float) -> None:
        """Until something of the response has come."""
        if self._ended or self._response is not response:
            raise Broken(self._ended or "the answer was let go of")
        waiter = self._waiter = self._loop.create_future()
        timer = self._loop.call_at(until, _expire, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiter = None

    def release(self, response: Response) -> None:
        """The exchange of `response` is done with."""
        if self._response is not response:
            return
        if response.is_over and response.keeps and not self._ended:
            self.resume(response)
            self._response = self.parser = None
            self._is_free = True
            self.freed_at = self._loop.time()
            self._freed(self)
        else:
            self._response = None
            self.abort()

    def abort(self, why: str = "the connection was given up") -> None:
        """End it at once, whatever is under way. The first reason stays."""
        self._is_free = False
        self.parser = None  # it holds the response, which holds us
        self._ended = self._ended or why
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
        self._wake()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def may_keep(self) -> bool:
        """Whether both sides stand at a beginning. An answer to half a request leaves the other half to be read as the next."""
        parser, transport = self.parser, self._transport
        if parser is None or transport is None:
            return False
        return parser.should_keep_alive() and not transport.get_write_buffer_size()

    def pause(self) -> None:
        if not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def resume(self, response: Response) -> None:
        if self._is_paused and self._response is response and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()

    # --- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # TCP or TLS
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        self._ended, self._is_free = "", True

    def data_received(self, data: bytes) -> None:
        parser, response = self.parser, self._response
        if parser is None or response is None:  # whatever it is, the next answer must not begin with it
            self.abort("something came that nobody asked for")
            return
        before = len(response.chunks)
        try:
            parser.feed_data(data)
            response.came(len(data), is_body=len(response.chunks) > before)
            if response.other_bytes > MAX_HEAD_BYTES:  # a line that never ends reaches no callback
                raise Broken(f"more than {MAX_HEAD_BYTES:,} bytes came that are no body")
        except Broken as error:
            self.abort(str(error))
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            cause = error.__context__  # what a callback raised
            self.abort(str(cause) if isinstance(cause, Broken) else "the answer is no HTTP")
        self._wake()

    def eof_received(self) -> None:
        if self._response is not None and not self._ended:
            self._response.end()
        self.abort("the connection was closed")

    def connection_lost(self, error: Exception | None) -> None:
        self.abort(str(error) if error else "the connection was closed")


def _expire(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())
