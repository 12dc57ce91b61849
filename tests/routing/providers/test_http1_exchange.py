"""One exchange of the relay's HTTP client: large bodies, slow readers, timeouts, cancellation, packed answers, heads to send."""

import asyncio
import gzip
import zlib

import pytest

from routing.providers.http1 import PAUSE_BYTES, Broken
from routing.providers.http1_head import head_of
from tests.routing.providers.scripted import OK, Peer, Play, exchanged, in_, says, serving, whole

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

H = b"HTTP/1.1 200 OK\r\n"


async def test_a_request_of_8_mb_arrives_whole_and_its_connection_is_used_again() -> None:
    got: list[int] = []

    async def play(peer: Peer) -> None:
        for _ in range(2):
            got.append(len((await peer.request()).partition(b"\r\n\r\n")[2]))
            await peer.say(OK)
        await peer.gone()

    async with serving(play) as server:
        body = b"x" * 8 * 1024 * 1024
        assert (await exchanged(server, body), await exchanged(server)) == (b"ok", b"ok")
        assert (got, len(server.peers)) == ([len(body), 2], 1)


@pytest.mark.parametrize(
    ("said", "stays"), [(OK, True), (H + b"\r\nok", False)], ids=["with a length", "to the connection's end"]
)
async def test_an_answer_before_the_request_was_sent_whole_is_read_and_ends_the_connection(
    said: bytes, stays: bool
) -> None:
    """What is left of the request could otherwise be read as the next one."""

    async def play(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.say(said)
        if not stays:
            peer.writer.write_eof()
        await done.wait()

    done = asyncio.Event()
    async with serving(play) as server:
        for _ in range(2):
            response = await server.ask(b"x" * 8 * 1024 * 1024)
            assert await whole(response) == b"ok"
            response.close()
        assert len(server.peers) == 2
        done.set()


async def test_a_provider_waits_while_nobody_reads_and_goes_on_when_somebody_does() -> None:
    piece, sent = b"x" * 64 * 1024, 0
    size = 1000 * len(piece)

    async def play(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.say(H + b"content-length: %d\r\n\r\n" % size)
        while sent < size:
            peer.writer.write(piece)
            await peer.writer.drain()
            sent += len(piece)
        await peer.gone()

    async with serving(play) as server:
        response = await server.ask()
        before = -1
        while sent != before:  # until nothing moves any more
            before = sent
            await asyncio.sleep(0.1)
        assert sent < size / 2  # the rest does not fit into the buffers of the system
        held = await response.some(in_(20))
        assert PAUSE_BYTES <= len(held) < 3 * PAUSE_BYTES
        assert len(held) + len(await whole(response)) == size
        response.close()


async def test_a_reader_who_leaves_in_the_middle_ends_the_connection_at_once() -> None:
    async with serving(says(H + b"content-length: 9\r\n\r\nok")) as server:
        response = await server.ask()
        assert await response.some(in_(20)) == b"ok"
        response.close()
        await server.peers[0].left()
        response.close()  # twice is once
        with pytest.raises(Broken):
            await response.some(in_(20))


async def test_a_reader_who_leaves_while_much_still_comes_ends_the_connection() -> None:
    async def play(peer: Peer) -> None:
        await peer.request()
        await peer.say(H + b"content-length: 99999999\r\n\r\n")
        try:
            while True:
                await peer.say(b"x" * 65536)
        finally:
            gone.set()

    gone = asyncio.Event()
    async with serving(play) as server:
        response = await server.ask()
        await response.some(in_(20))
        response.close()
        await asyncio.wait_for(gone.wait(), 20)


async def test_an_answer_that_was_let_go_of_takes_nothing_from_the_next() -> None:
    async def play(peer: Peer) -> None:
        for body in (b"first", b"other"):
            await peer.request()
            await peer.say(H + b"content-length: 5\r\n\r\n" + body)
        await peer.gone()

    async with serving(play) as server:
        first = await server.ask()
        first.close()
        first.close()
        other = await server.ask()
        assert len(server.peers) == 1
        first.close()  # of an exchange that is over: the one under way is not his to end
        assert await whole(first) == b"first"
        assert await whole(other) == b"other"
        other.close()


async def test_who_reads_an_answer_that_was_let_go_of_does_not_wait_in_the_place_of_another() -> None:
    async with serving(says(H + b"content-length: 9\r\n\r\n")) as server:
        response = await server.ask()
        response.close()
        with pytest.raises(Broken):
            await response.some(in_(20))


async def test_a_connection_under_way_cannot_be_asked() -> None:
    async with serving(says(OK)) as server:
        free = await server.free()
        response = await free.ask(server.head(2), b"{}", in_(20))
        with pytest.raises(Broken):
            await free.ask(server.head(2), b"{}", in_(20))
        assert await whole(response) == b"ok"
        response.close()


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_a_head_that_does_not_come_in_time_is_a_timeout_and_ends_the_connection(said: bytes) -> None:
    async with serving(says(said)) as server:
        begun = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            await server.ask(until_s=0.1)
        assert asyncio.get_running_loop().time() - begun >= 0.09
        await server.peers[0].left()


async def test_a_body_that_does_not_go_on_in_time_is_a_timeout_and_may_still_be_waited_for() -> None:
    go_on = asyncio.Event()

    async def play(peer: Peer) -> None:
        await peer.request()
        await peer.say(H + b"content-length: 4\r\n\r\n", b"so")
        await go_on.wait()
        await peer.say(b"on")
        await peer.gone()

    async with serving(play) as server:
        response = await server.ask()
        assert await response.some(in_(20)) == b"so"
        with pytest.raises(TimeoutError):
            await response.some(in_(0.05))
        with pytest.raises(TimeoutError):
            await response.some(in_(-1))
        go_on.set()
        assert await whole(response) == b"on"
        response.close()


@pytest.mark.parametrize("said", [b"", H, H + b"content-length: 9\r\n\r\nok"], ids=["nothing", "half a head", "body"])
async def test_a_cancelled_call_ends_its_connection_wherever_it_waits(said: bytes) -> None:
    async with serving(says(said)) as server:
        reached = asyncio.Event()
        loop = asyncio.get_running_loop()

        async def call() -> None:
            response = await server.ask(b"x" * 100_000)
            try:
                await response.some(in_(20))
                await response.some(in_(20))
            finally:
                response.close()

        task = asyncio.create_task(call())
        loop.call_later(0.1, reached.set)
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for peer in server.peers:
            await peer.left()


def packed(data: bytes, how: bytes) -> Play:
    return says(H + b"content-encoding: %b\r\ncontent-length: %d\r\n\r\n" % (how, len(data)) + data)


TEXT = b"It is said. " * 50_000
PACKED = {
    "gzip": (b"gzip", gzip.compress(TEXT), TEXT),
    "in capitals": (b"GZIP", gzip.compress(TEXT), TEXT),
    "x-gzip": (b"x-gzip", gzip.compress(TEXT), TEXT),
    "deflate": (b"deflate", zlib.compress(TEXT), TEXT),
    "identity": (b"identity", TEXT, TEXT),
    "nothing, packed": (b"gzip", gzip.compress(b""), b""),
    "nothing": (b"gzip", b"", b""),
}


@pytest.mark.parametrize(("how", "sent", "text"), PACKED.values(), ids=PACKED)
async def test_a_packed_answer_that_nobody_asked_for_is_unpacked(how: bytes, sent: bytes, text: bytes) -> None:
    async with serving(packed(sent, how)) as server:
        assert await exchanged(server) == text


SPOILT = {
    "cut": gzip.compress(TEXT)[:-9],
    "no gzip": b"plain text",
    "a wrong sum": gzip.compress(TEXT)[:-8] + b"\0" * 8,
    "more behind it": gzip.compress(TEXT) + b"more",
    "a second one behind it": gzip.compress(TEXT) * 2,
}


@pytest.mark.parametrize("sent", SPOILT.values(), ids=SPOILT)
async def test_a_packed_answer_that_is_not_whole_is_broken(sent: bytes) -> None:
    async with serving(packed(sent, b"gzip")) as server:
        with pytest.raises(Broken, match="packed answer"):
            await exchanged(server)


async def test_a_bomb_is_unpacked_no_further_than_it_is_read() -> None:
    bomb = gzip.compress(b"\0" * 16 * 1024 * 1024)
    async with serving(packed(bomb, b"gzip")) as server:
        response = await server.ask()
        for _ in range(8):
            assert 0 < len(await response.some(in_(20))) <= PAUSE_BYTES
        response.close()


HEADS = {
    "a line break in a value": ("/x", "h", [("a", "b\r\nc: d")]),
    "a line feed in a value": ("/x", "h", [("a", "b\nc: d")]),
    "a carriage return in a value": ("/x", "h", [("a", "b\rc")]),
    "a zero in a value": ("/x", "h", [("a", "b\0")]),
    "an escape in a value": ("/x", "h", [("a", "\x1b[2J")]),
    "half a character": ("/x", "h", [("a", "\ud800")]),
    "a line break in a name": ("/x", "h", [("a\r\nb", "c")]),
    "a colon in a name": ("/x", "h", [("a: b\r\nc", "d")]),
    "a name that ends in a line feed": ("/x", "h", [("a\n", "c")]),
    "white in a name": ("/x", "h", [("a ", "c")]),
    "no name": ("/x", "h", [("", "c")]),
    "a name that is no ASCII": ("/x", "h", [("ä", "c")]),
    "another host": ("/x", "h", [("Host", "evil")]),
    "another length": ("/x", "h", [("Content-Length", "0")]),
    "chunks": ("/x", "h", [("transfer-encoding", "chunked")]),
    "a target with a space": ("/x HTTP/1.1", "h", []),
    "a target with a line break": ("/x\r\na: b", "h", []),
    "a target with a tab": ("/x\t", "h", []),
    "a target that is no ASCII": ("/ä", "h", []),
    "a host with a line break": ("/x", "h\r\na: b", []),
    "a host with a space": ("/x", "h evil", []),
    "no host": ("/x", "", []),
}


@pytest.mark.parametrize(("target", "host", "headers"), HEADS.values(), ids=HEADS)
def test_a_head_that_would_be_read_otherwise_than_it_was_meant_is_refused(
    target: str, host: str, headers: list[tuple[str, str]]
) -> None:
    with pytest.raises(ValueError):
        head_of(target, host, headers, 2)


def test_a_head_is_sent_as_it_was_meant() -> None:
    headers = [("x-Name", "Zoë\u00a0\t1"), ("x-empty", "")]
    assert head_of("/v1/x?a=%20", "[::1]:80", headers, 2) == (
        b"POST /v1/x?a=%20 HTTP/1.1\r\nhost: [::1]:80\r\ncontent-length: 2\r\n"
        b"x-Name: Zo\xc3\xab\xc2\xa0\t1\r\nx-empty: \r\n\r\n"
    )
