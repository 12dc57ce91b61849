"""A server on loopback that says exactly the bytes it is told to, and hears when the client goes."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from routing.providers.base import Endpoint
from routing.providers.http1 import Connection, Response
from routing.providers.http1_head import head_of
from routing.providers.http1_pool import connection, upstream
from routing.terms.words import ProviderKind

ROOMY_S = 20.0  # for what is to come; a busy machine must not turn it into a timeout
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Peer:
    """The server's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.over = asyncio.Event()  # the play is: in most of them, because the client went

    async def request(self) -> bytes:
        """The whole next request."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return head + await self.reader.readexactly(length)

    async def say(self, *parts: bytes) -> None:
        """Each part by itself: the client has read it before the next is sent."""
        for part in parts:
            if self.writer.transport.is_closing():
                raise ConnectionResetError
            self.writer.write(part)
            for _ in range(4):  # client and server share a loop; each round reads what was sent in the one before
                await asyncio.sleep(0)
        if not self.writer.transport.is_closing():
            await self.writer.drain()

    async def gone(self) -> bool:
        """Waits until the client has ended the connection; whether it said no more before."""
        try:
            return not await self.reader.read()
        except ConnectionError:
            return True

    async def left(self) -> None:
        await asyncio.wait_for(self.over.wait(), ROOMY_S)


Play = Callable[[Peer], Awaitable[None]]


@dataclass
class Server:
    base_url: str
    port: int
    peers: list[Peer] = field(default_factory=list)  # one a connection, the last one last
    upset: list[BaseException] = field(default_factory=list)  # what a play did not expect

    async def free(self, connect_s: float = ROOMY_S, **changes: object) -> Connection:
        return await connection(upstream(self.base_url), self.endpoint(**changes).address, connect_s)

    async def ask(self, body: bytes = b"{}", until_s: float = ROOMY_S, **changes: object) -> Response:
        """The head of the answer over a kept or a new connection."""
        made = await self.free(**changes)
        return await made.ask(self.head(len(body)), body, in_(until_s))

    def endpoint(self, **changes: object) -> Endpoint:
        return Endpoint(ProviderKind.OPENAI, "double", "m", self.base_url, **changes)  # type: ignore[arg-type]

    def head(self, length: int) -> bytes:
        return head_of("/v1/x", upstream(self.base_url).named, [("content-type", "application/json")], length)


@asynccontextmanager
async def serving(
    play: Play, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", name: str = ""
) -> AsyncIterator[Server]:
    """Plays `play` on each connection, then closes it."""

    async def begun(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        server.peers.append(peer)
        try:
            await play(peer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass  # the client went first
        except BaseException as error:
            server.upset.append(error)
            raise
        finally:
            peer.over.set()
            writer.close()

    listening = await asyncio.start_server(begun, host, 0, ssl=tls)
    port = listening.sockets[0].getsockname()[1]
    shown = name or (f"[{host}]" if ":" in host else host)
    server = Server(f"{'https' if tls else 'http'}://{shown}:{port}/v1", port)
    try:
        yield server
    finally:
        listening.close()
        for peer in server.peers:
            peer.writer.transport.abort()
        for _ in range(4):
            await asyncio.sleep(0)
    assert server.upset == []


def says(*parts: bytes, times: int = 1, stays: bool = True) -> Play:
    """To each of so many requests these bytes; then the connection stays open until the client goes, or is closed."""

    async def play(peer: Peer) -> None:
        for _ in range(times):
            await peer.request()
            await peer.say(*parts)
        if stays:
            await peer.gone()

    return play


def in_(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def whole(response: Response, until_s: float = ROOMY_S) -> bytes:
    parts = []
    while data := await response.some(in_(until_s)):
        parts.append(data)
    return b"".join(parts)


async def exchanged(server: Server, body: bytes = b"{}") -> bytes:
    """One exchange to its end."""
    response = await server.ask(body)
    try:
        return await whole(response)
    finally:
        response.close()
