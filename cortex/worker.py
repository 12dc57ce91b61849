"""One web worker: `python -m cortex.worker FD APP` is uvicorn on a socket that its supervisor opened.

A worker that ends tells its connections so before it closes them. uvicorn closes at once what is idle at that moment, and a client that
has just written its next request there is reset, though another worker would have served it.

And it ends connections whose client has stopped in the middle: of a request, or of taking an answer. uvicorn would wait for ever, and with it
the call, its place among those that the process may have, and its provider's bulkhead.
"""

import asyncio
import signal
import socket
import sys
from typing import Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from cortex.supervisor import say_ready
from cortex.web import BACKLOG, DRAIN_S

MAX_HEAD_BYTES = 64 * 1024  # of one request; a proxy in front of us takes less
WHOLE_BYTES = 64 * 1024  # what is larger is not kept for the end of the loop's turn
LOOK_S = 5  # between two looks at all connections
TICKS_A_SECOND = 10  # of uvicorn's
LEAST_BYTES = 5 * 1024  # that must move between two looks where something is to: no way to a model is that slow
MOST_LOOKS = 12  # in a row that find less: a minute, for a full socket takes more only when much of it was read
LINGER_S = 2  # how long a worker that ends waits for the next request of an idle connection, to answer it with `Connection: close`


class State(ServerState):
    """What the connections of a worker share."""

    is_leaving = False

    def look(self) -> None:
        """End the connections that are stuck; every LOOK_S."""
        for each in tuple(self.connections):
            if isinstance(each, Connection):
                each.look()


class Joined:
    """A transport that sends in one piece what is written in one turn of the loop: an answer's head, its body, a stream's events and its end.

    Each write of its own is a system call here, and one more reading there.
    """

    __slots__ = ("_loop", "_size", "_transport", "_waiting")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._waiting: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(data)
        self._size += len(data)
        if self._size > WHOLE_BYTES:  # the transport says when too much waits, so it must know
            self._flush()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        waiting, self._waiting, self._size = self._waiting, [], 0
        if waiting and not self._transport.is_closing():
            self._transport.writelines(waiting)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Connection(HttpToolsProtocol):
    """A client's connection, which ends with an answer that says so, or after it was idle for long enough.

    The parser keeps a head for as long as it goes on, and what follows a body in chunks: nobody has looked at a key by then.
    """

    _other_bytes = 0  # come since a head was whole, or something of a body came
    _is_whole = False  # what has come is whole requests
    _came = 0  # bytes, since the last look
    _untaken = 0  # bytes that the last look found written and not taken
    _slow_looks = 0  # in a row
    _is_told_again = False  # the parser is told a head that it has told us

    def look(self) -> None:
        """End the connection if for MOST_LOOKS there came next to nothing of a request that is not whole, or next to nothing was taken of an answer.

        Where Cortex itself does not read on, or has nothing to say yet, nobody is stuck.
        """
        is_waiting = self.flow.write_paused or self.transport.is_closing()
        untaken = self.transport.get_write_buffer_size() if is_waiting else 0
        is_sending = not (self._is_whole or self.flow.read_paused)
        is_slow = (is_sending and self._came < LEAST_BYTES) or (untaken > 0 and self._untaken - untaken < LEAST_BYTES)
        self._came, self._untaken = 0, untaken
        self._slow_looks = self._slow_looks + 1 if is_slow else 0
        if self._slow_looks >= MOST_LOOKS:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        self._came += len(data)
        self._other_bytes += len(data)
        self._unset_keepalive_if_required()
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
            return
        if self._other_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                self.send_400_response(f"The head of the request is larger than {MAX_HEAD_BYTES} bytes.")
            else:
                self.transport.close()

    def _parse(self, data: bytes | memoryview) -> None:
        """Raises HttpParserError. Nobody here speaks another protocol, and who offers one is answered in this one."""
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offered:
                data = memoryview(data)[offered.args[0] :]
                self._begin_anew()
            else:
                return

    def _begin_anew(self) -> None:
        """With a parser that knows of the request's body: the old one has let go of it, and would take the body for the next request."""
        framing = [each for each in self.scope["headers"] if each[0] in (b"content-length", b"transfer-encoding")]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's
        if framing:
            self.cycle.more_body, self._is_whole, self._is_told_again = True, False, True
            self.parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % b"".join(b"%b: %b\r\n" % each for each in framing))
            self._is_told_again = False

    def resume_writing(self) -> None:
        self._slow_looks = 0
        super().resume_writing()

    def on_message_begin(self) -> None:
        if self._is_told_again:
            return
        self._is_whole = False
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._is_whole, self._slow_looks = True, 0
        super().on_message_complete()

    def on_headers_complete(self) -> None:
        if self._is_told_again:
            return
        self._other_bytes = 0
        super().on_headers_complete()
        self.headers = []  # a field behind the body is none of the head's: whoever stands in front has not looked at it

    def on_body(self, body: bytes) -> None:
        self._other_bytes = 0
        super().on_body(body)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self.transport = Joined(transport, self.loop)  # type: ignore[assignment]  # all of a transport that uvicorn asks for
        if isinstance(self.server_state, State) and self.server_state.is_leaving:  # accepted at the very last moment
            self.shutdown()

    def shutdown(self) -> None:
        self.timeout_keep_alive = LINGER_S
        if self.cycle is None or self.cycle.response_complete:
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(LINGER_S, self.timeout_keep_alive_handler)
        elif not self.cycle.response_started:
            self.cycle.keep_alive = False
        # The head of an answer that has begun said nothing: the next one on this connection will.


class Worker(uvicorn.Server):
    """uvicorn, telling its supervisor when it accepts requests, and its clients when it ends."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.server_state: State = State()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        say_ready()

    async def on_tick(self, counter: int) -> bool:
        if counter % (LOOK_S * TICKS_A_SECOND) == 0:
            self.server_state.look()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.server_state.is_leaving = True
        headers = self.server_state.default_headers  # nobody renews them any more
        self.server_state.default_headers = [*headers, (b"connection", b"close")]
        await super().shutdown(sockets)


def work(fd: int, app: str) -> None:
    """Serve until SIGTERM, then drain."""
    # uvicorn raises the signal again when it has drained: that is the moment to end in order.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is our supervisor's, which then says SIGTERM
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=Connection,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # cortex.asgi does it, where somebody asks for a client's address
        timeout_keep_alive=75,  # longer than nginx keeps its side, so that a proxy never writes into a closing connection
        timeout_graceful_shutdown=DRAIN_S,
        backlog=BACKLOG,
    )
    Worker(config).run(sockets=[socket.socket(fileno=fd)])


if __name__ == "__main__":
    work(int(sys.argv[1]), sys.argv[2])
