"""The relay's HTTP client against servers that say exactly scripted bytes: what is an answer, where it ends, and what is none."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routing.providers.http1 import MAX_HEAD_BYTES, Broken
from tests.routing.providers.scripted import OK, Peer, exchanged, in_, says, serving, whole

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

H = b"HTTP/1.1 200 OK\r\n"
CHUNKED = H + b"transfer-encoding: chunked\r\n\r\n"

WHOLE = {
    "a length": (OK, b"ok"),
    "a length of nothing": (H + b"content-length: 0\r\n\r\n", b""),
    "chunks": (CHUNKED + b"2\r\nok\r\n3\r\nay!\r\n0\r\n\r\n", b"okay!"),
    "no chunk but the last": (CHUNKED + b"0\r\n\r\n", b""),
    "chunks in capitals": (H + b"Transfer-Encoding: CHUNKED\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"ok"),
    "chunks with extensions": (CHUNKED + b"2;why=because\r\nok\r\n0\r\n\r\n", b"ok"),
    "chunks and trailers": (CHUNKED + b"2\r\nok\r\n0\r\nx-sum: 1\r\nx-more: 2\r\n\r\n", b"ok"),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "100 before it": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok"),
    "103 twice before it": (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\ncontent-length: 7\r\n\r\n" * 2 + OK, b"ok"),
    "empty lines before it": (b"\r\n\r\n" + OK, b"ok"),
    "a long head": (H + b"x: %b\r\ncontent-length: 2\r\n\r\nok" % (b"y" * (MAX_HEAD_BYTES - 100)), b"ok"),
}


@pytest.mark.parametrize(("said", "body"), WHOLE.values(), ids=WHOLE)
async def test_an_answer_is_read_to_its_end_and_its_connection_used_again(said: bytes, body: bytes) -> None:
    async with serving(says(said, times=3)) as server:
        for _ in range(3):
            assert await exchanged(server) == body
        assert len(server.peers) == 1


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_how_the_bytes_are_cut_changes_nothing(data: st.DataObject) -> None:
    said, body = data.draw(st.sampled_from([each for name, each in WHOLE.items() if name != "a long head"]))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(said) - 1), max_size=len(said) - 1)))
    parts = [said[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(said)], strict=True)]
    async with serving(says(*parts, times=2)) as server:
        assert (await exchanged(server), await exchanged(server)) == (body, body)
        assert len(server.peers) == 1


async def test_chunks_may_be_cut_at_every_byte() -> None:
    said = WHOLE["chunks and trailers"][0]
    async with serving(says(*(said[at : at + 1] for at in range(len(said))), times=2)) as server:
        assert (await exchanged(server), await exchanged(server)) == (b"ok", b"ok")


async def test_headers_are_told_in_lower_case_without_white_and_joined() -> None:
    said = H + b"X-One: a \r\nx-one:\tb\r\nX-Odd: \xff\xc3\xa4\r\ncontent-length: 0 \r\n\r\n"
    async with serving(says(said)) as server:
        response = await server.ask()
        assert (response.status, response.headers["x-one"], response.headers["x-odd"]) == (200, "a, b", "\ufffdä")
        response.close()


ENDS = {
    "close": H + b"connection: close\r\ncontent-length: 2\r\n\r\nok",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
    "close in a trailer": CHUNKED + b"2\r\nok\r\n0\r\nconnection: close\r\n\r\n",
}


@pytest.mark.parametrize("said", ENDS.values(), ids=ENDS)
async def test_a_connection_that_its_server_will_not_keep_is_not_used_again(said: bytes) -> None:
    async with serving(says(said)) as server:
        assert (await exchanged(server), await exchanged(server)) == (b"ok", b"ok")
        assert len(server.peers) == 2


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_a_body_without_a_length_ends_with_its_connection(version: bytes) -> None:
    async with serving(says(b"HTTP/%b 200 OK\r\n\r\nso" % version, b" it is", stays=False)) as server:
        assert (await exchanged(server), await exchanged(server)) == (b"so it is", b"so it is")
        assert len(server.peers) == 2


CUT = {
    "a length": H + b"content-length: 9\r\n\r\nok",
    "a length, nothing of it": H + b"content-length: 9\r\n\r\n",
    "a chunk": CHUNKED + b"9\r\nok",
    "between chunks": CHUNKED + b"2\r\nok\r\n",
    "in capitals": H + b"Transfer-Encoding: Chunked\r\n\r\n2\r\nok\r\n",
    "before the last empty line": CHUNKED + b"2\r\nok\r\n0\r\n",
    "in a trailer": CHUNKED + b"2\r\nok\r\n0\r\nx: y\r\n",
}


@pytest.mark.parametrize("said", CUT.values(), ids=CUT)
async def test_a_body_that_breaks_off_is_never_taken_for_whole(said: bytes) -> None:
    async with serving(says(said, stays=False)) as server:
        response = await server.ask()
        with pytest.raises(Broken, match="the connection was closed"):
            await whole(response)
        response.close()


async def test_a_connection_that_is_reset_breaks_a_body_without_a_length() -> None:
    async def resets(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.say(H + b"\r\nso")
        peer.writer.transport.abort()  # with the rest of the request unread, that is a reset

    async with serving(resets) as server:
        response = await server.ask(b"x" * 3_000_000)
        with pytest.raises(Broken):
            await whole(response)
        response.close()


NONE = {
    "garbage": b"\x16\x03\x01 hello",
    "a banner": b"SSH-2.0-OpenSSH_9\r\n",
    "a header without a colon": H + b"nonsense\r\n\r\n",
    "a header without a name": H + b": x\r\n\r\n",
    "white before a colon": H + b"content-length : 0\r\n\r\n",
    "a folded header": H + b"x: a\r\n b\r\ncontent-length: 0\r\n\r\n",
    "a zero in a header": H + b"x: a\0b\r\n\r\n",
    "line feeds alone": b"HTTP/1.1 200 OK\ncontent-length: 0\n\n",
    "two lengths": H + b"content-length: 2\r\ncontent-length: 2\r\n\r\nok",
    "two lengths that differ": H + b"content-length: 2\r\ncontent-length: 3\r\n\r\nok",
    "a list of lengths": H + b"content-length: 2, 2\r\n\r\nok",
    "a negative length": H + b"content-length: -2\r\n\r\nok",
    "a length with a sign": H + b"content-length: +2\r\n\r\nok",
    "a length past 64 bits": H + b"content-length: 99999999999999999999999\r\n\r\nok",
    "an empty length": H + b"content-length: \r\n\r\nok",
    "length and chunks": H + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunks and length": H + b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunks twice": H + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "packed chunks": H + b"transfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunks, then packed": H + b"transfer-encoding: chunked, gzip\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "nearly chunks": H + b"transfer-encoding: xchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "101": b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n\x81\x02hi",
    "101 without an upgrade": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "status 0": b"HTTP/1.1 000 ?\r\ncontent-length: 2\r\n\r\nok",
    "status 999": b"HTTP/1.1 999 ?\r\ncontent-length: 2\r\n\r\nok",
    "the body of a 100": b"HTTP/1.1 100 Continue\r\ncontent-length: 2\r\n\r\nok" + OK,
    "a head of many lines": H + b"x: y\r\n" * MAX_HEAD_BYTES,
    "a head of one line": H + b"x: " + b"y" * 2 * MAX_HEAD_BYTES,
    "a name without end": H + b"x" * 2 * MAX_HEAD_BYTES,
    "a reason without end": b"HTTP/1.1 200 " + b"x" * 2 * MAX_HEAD_BYTES,
    "empty lines without end": b"\r\n" * 2 * MAX_HEAD_BYTES,
    "hints without end": b"HTTP/1.1 103 Early Hints\r\n\r\n" * MAX_HEAD_BYTES,
    "hints with headers without end": b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * MAX_HEAD_BYTES,
    "unknown packing": H + b"content-encoding: br\r\ncontent-length: 2\r\n\r\nok",
    "packed twice": H + b"content-encoding: gzip, gzip\r\ncontent-length: 2\r\n\r\nok",
}


@pytest.mark.parametrize("said", NONE.values(), ids=NONE)
async def test_what_is_no_answer_breaks_the_connection(said: bytes) -> None:
    """It may be open for long after: the client does not wait."""
    async with serving(says(said)) as server:
        with pytest.raises(Broken):
            await server.ask()
        await server.peers[0].left()


BROKEN_BODIES = {
    "a chunk longer than it says": CHUNKED + b"2\r\nokay\r\n0\r\n\r\n",
    "a chunk's size in line feeds": CHUNKED + b"2\nok\n0\n\n",
    "a chunk's size with 0x": CHUNKED + b"0x2\r\nok\r\n0\r\n\r\n",
    "a chunk's size past 64 bits": CHUNKED + b"fffffffffffffffff\r\nok\r\n0\r\n\r\n",
    "a chunk without a size": CHUNKED + b"\r\nok\r\n0\r\n\r\n",
    "a length in a trailer": CHUNKED + b"2\r\nok\r\n0\r\ncontent-length: 3\r\n\r\n",
    "an extension without end": CHUNKED + b"2;" + b"x" * 2 * MAX_HEAD_BYTES,
    "a trailer without end": CHUNKED + b"2\r\nok\r\n0\r\nx: " + b"y" * 600_000,
    "many trailers": CHUNKED + b"2\r\nok\r\n0\r\n" + b"x: y\r\n" * MAX_HEAD_BYTES,
}


@pytest.mark.parametrize("said", BROKEN_BODIES.values(), ids=BROKEN_BODIES)
async def test_a_body_that_is_no_http_breaks_the_connection(said: bytes) -> None:
    async with serving(says(said)) as server:
        with pytest.raises(Broken):
            await exchanged(server)
        await server.peers[0].left()


@pytest.mark.parametrize("said", [b"", b"HTTP", H, H + b"content-length: 2\r\n"])
async def test_a_connection_that_is_closed_before_the_head_is_there_is_broken(said: bytes) -> None:
    async with serving(says(said, stays=False)) as server:
        with pytest.raises(Broken, match="the connection was closed"):
            await server.ask()


EXTRA = {"a byte": b"x", "an H": b"H", "another answer": OK, "garbage": b"\0\xff\r\n"}


@pytest.mark.parametrize("extra", EXTRA.values(), ids=EXTRA)
@pytest.mark.parametrize("apart", [False, True], ids=["at once", "apart"])
async def test_what_comes_behind_an_answer_is_never_the_beginning_of_the_next(extra: bytes, apart: bool) -> None:
    parts = (OK, extra) if apart else (OK + extra,)
    async with serving(says(*parts)) as server:
        response = await server.ask()
        assert await whole(response) == b"ok"
        response.close()
        await server.peers[0].left()
        assert await exchanged(server) == b"ok"
        assert len(server.peers) == 2


async def test_what_the_server_says_unasked_is_no_answer() -> None:
    async def play(peer: Peer) -> None:
        await peer.say(OK)
        await peer.gone()

    async with serving(play) as server:
        free = await server.free()
        await server.peers[0].left()
        with pytest.raises(Broken, match="nobody asked"):
            await free.ask(server.head(2), b"{}", in_(20))


async def test_bytes_that_the_loop_has_not_read_yet_spoil_a_kept_connection() -> None:
    """Written and asked again in one step of the loop: only the socket itself knows."""
    async with serving(says(OK)) as server:
        assert await exchanged(server) == b"ok"
        os.write(server.peers[0].writer.get_extra_info("socket").fileno(), OK)
        assert await exchanged(server) == b"ok"
        assert len(server.peers) == 2
