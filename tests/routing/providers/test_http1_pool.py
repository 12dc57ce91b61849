"""The connections of the relay's HTTP client: where they lead, whom they trust, how long they are kept, and that none is forgotten."""

import asyncio
from pathlib import Path

import pytest
import uvloop

from benchmarks.certificates import Authority
from benchmarks.certificates import serving as serves
from routing.providers import http1_pool
from routing.providers.http1_pool import MAX_IDLE, NoConnection, close_all, upstream
from tests.routing.providers.scripted import OK, Peer, Server, exchanged, says, serving, whole

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

AUTHORITY = Authority()


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1_pool, "tls", AUTHORITY.trusted)


@pytest.mark.parametrize(
    ("base_url", "host", "port", "is_tls", "named", "path"),
    [
        ("https://api.openai.com/v1/", "api.openai.com", 443, True, "api.openai.com", "/v1"),
        ("http://Box:8080", "box", 8080, False, "Box:8080", ""),
        ("http://[::1]:80/v1", "::1", 80, False, "[::1]:80", "/v1"),
        ("https://user:pw@a.example/v1", "a.example", 443, True, "a.example", "/v1"),
    ],
)
def test_a_base_url_says_where_to_and_as_what(
    base_url: str, host: str, port: int, is_tls: bool, named: str, path: str
) -> None:
    assert upstream(base_url) == http1_pool.Upstream(host, port, is_tls, named, path)


@pytest.mark.parametrize(
    "base_url", ["", "api.openai.com/v1", "ftp://a/v1", "http://", "http://a b/", "http://ä.example", "http://a:99999"]
)
def test_what_is_no_address_is_refused(base_url: str) -> None:
    with pytest.raises(ValueError):
        upstream(base_url)


async def test_an_ipv6_address_is_called_and_named_in_brackets() -> None:
    heads: list[bytes] = []

    async def play(peer: Peer) -> None:
        heads.append(await peer.request())
        await peer.say(OK)
        await peer.gone()

    async with serving(play, host="::1") as server:
        assert await exchanged(server) == b"ok"
        assert f"host: [::1]:{server.port}\r\n".encode() in heads[0]


async def test_a_pinned_address_is_called_under_the_name(trusting: None, tmp_path: Path) -> None:
    """No resolver knows the name; the server's certificate and the Host header say it."""
    heads: list[bytes] = []
    names: list[str] = []

    async def play(peer: Peer) -> None:
        heads.append(await peer.request())
        await peer.say(OK)
        await peer.gone()

    context = serves(AUTHORITY.issue("api.provider.invalid", into=tmp_path))
    context.sni_callback = lambda _, name, __: names.append(name)
    async with serving(play, context, name="api.provider.invalid") as server:
        response = await server.ask(address="127.0.0.1")
        assert await whole(response) == b"ok"
        response.close()
        assert f"host: api.provider.invalid:{server.port}\r\n".encode() in heads[0]
        assert names == ["api.provider.invalid"]


async def test_over_tls_too_a_connection_is_kept_and_large_bodies_pass(trusting: None, tmp_path: Path) -> None:
    got: list[int] = []
    large = b"x" * 3_000_000

    async def play(peer: Peer) -> None:
        for _ in range(3):
            got.append(len((await peer.request()).partition(b"\r\n\r\n")[2]))
            await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(large) + large)
        await peer.gone()

    async with serving(play, serves(AUTHORITY.issue("127.0.0.1", into=tmp_path))) as server:
        for _ in range(3):
            assert await exchanged(server, large) == large
        assert (got, len(server.peers)) == ([len(large)] * 3, 1)


async def test_over_tls_a_body_without_a_length_ends_with_a_goodbye_and_breaks_off_without_one(
    trusting: None, tmp_path: Path
) -> None:
    """Anybody on the way can cut a connection; only the provider can say goodbye in its cipher. asyncio's own loop tells neither from the other."""
    says_goodbye = True

    async def play(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        if not says_goodbye:
            peer.writer.transport.abort()

    async with serving(play, serves(AUTHORITY.issue("127.0.0.1", into=tmp_path))) as server:
        assert await exchanged(server) == b"all of it"
        if not isinstance(asyncio.get_running_loop(), uvloop.Loop):
            return
        says_goodbye = False
        with pytest.raises(ConnectionError):
            await exchanged(server)


async def test_a_reader_who_leaves_ends_a_connection_over_tls(trusting: None, tmp_path: Path) -> None:
    said = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok"
    async with serving(says(said), serves(AUTHORITY.issue("127.0.0.1", into=tmp_path))) as server:
        response = await server.ask()
        response.close()
        await server.peers[0].left()


async def test_a_certificate_for_another_name_is_not_trusted(trusting: None, tmp_path: Path) -> None:
    async with serving(says(OK), serves(AUTHORITY.issue("other.example", into=tmp_path))) as server:
        with pytest.raises(NoConnection, match=r"certificate is not valid for '127\.0\.0\.1'"):
            await exchanged(server)


async def test_a_certificate_of_an_unknown_authority_is_not_trusted(tmp_path: Path) -> None:
    async with serving(says(OK), serves(Authority().issue("127.0.0.1", into=tmp_path))) as server:
        with pytest.raises(NoConnection, match="certificate verify failed"):
            await exchanged(server)


async def test_a_server_that_speaks_no_tls_is_said_so(trusting: None) -> None:
    async def play(peer: Peer) -> None:
        await peer.reader.read(1)
        await peer.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(play) as server:
        server.base_url = server.base_url.replace("http:", "https:")
        with pytest.raises(NoConnection, match=r"(?i)ssl|tls"):
            await exchanged(server)


async def test_a_server_that_closes_while_tls_is_agreed_on_is_no_connection(trusting: None) -> None:
    async def play(peer: Peer) -> None:
        await peer.reader.read(1)

    async with serving(play) as server:
        server.base_url = server.base_url.replace("http:", "https:")
        with pytest.raises(NoConnection, match=r"."):
            await exchanged(server)


async def test_nobody_listening_is_no_connection_in_the_words_of_the_system() -> None:
    async with serving(says(OK)) as server:
        pass
    with pytest.raises(NoConnection, match=r"(?i)refused|connect call failed"):
        await exchanged(server)


async def test_a_server_that_does_not_answer_in_time_is_no_connection(trusting: None) -> None:
    """It takes the connection and never says a word of TLS."""
    async with serving(_silent) as server:
        server.base_url = server.base_url.replace("http:", "https:")
        with pytest.raises(NoConnection, match=r"no answer from 127\.0\.0\.1:\d+ within 0\.1 s"):
            await server.free(connect_s=0.1)
        await server.peers[0].left()  # a hello, then nothing


async def test_a_call_that_is_cancelled_while_it_connects_leaves_no_connection(trusting: None) -> None:
    async with serving(_silent) as server:
        server.base_url = server.base_url.replace("http:", "https:")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(server.free(), 0.1)
        await server.peers[0].left()


async def _silent(peer: Peer) -> None:
    await peer.gone()


async def test_a_connection_that_the_server_closed_while_idle_is_not_used() -> None:
    async with serving(says(OK, stays=False)) as server:
        for asked in range(1, 6):
            assert await exchanged(server) == b"ok"
            assert len(server.peers) == asked
            await server.peers[-1].writer.wait_closed()  # the client's loop has not heard of it yet


async def _burst(server: Server, many: int) -> None:
    """So many exchanges at once."""
    taken = [await server.ask() for _ in range(many)]
    for each in taken:
        assert await whole(each) == b"ok"
        each.close()


async def test_an_idle_connection_goes_though_it_was_in_use_when_the_others_were_swept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http1_pool, "KEEP_ALIVE_S", 0.1)
    async with serving(says(OK, times=2)) as server:
        long = await server.ask()
        await _burst(server, 2)
        for peer in server.peers[1:]:
            await peer.left()
        assert await whole(long) == b"ok"
        long.close()
        await server.peers[0].left()
        assert await exchanged(server) == b"ok"
        assert len(server.peers) == 4


async def test_no_more_idle_connections_are_kept_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1_pool, "KEEP_ALIVE_S", 0.3)
    monkeypatch.setattr(http1_pool, "MAX_IDLE", 2)
    async with serving(says(OK, times=99)) as server:
        await _burst(server, 5)
        for peer in server.peers[:3]:  # those unused for longest
            await peer.left()
    assert MAX_IDLE == 64


async def test_the_upstream_unused_for_longest_goes_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1_pool, "MAX_UPSTREAMS", 1)
    async with serving(says(OK, times=9)) as first, serving(says(OK, times=9)) as other:
        under_way = await first.ask()
        assert await exchanged(first) == b"ok"
        assert await exchanged(other) == b"ok"
        await first.peers[1].left()
        assert await whole(under_way) == b"ok"
        under_way.close()  # it belongs to nobody any more
        await first.peers[0].left()


async def test_closing_all_ends_the_idle_at_once_and_the_others_with_their_exchange() -> None:
    async with serving(says(OK, times=9)) as server:
        under_way = await server.ask()
        assert await exchanged(server) == b"ok"
        await close_all()
        await server.peers[1].left()
        assert await whole(under_way) == b"ok"
        under_way.close()
        await server.peers[0].left()
        assert await exchanged(server) == b"ok"
        assert len(server.peers) == 3


async def test_an_address_and_a_name_share_no_connections() -> None:
    async with serving(says(OK, times=9)) as server:
        assert await exchanged(server) == b"ok"
        response = await server.ask(address="127.0.0.1")
        response.close()
        assert len(server.peers) == 2


def test_each_loop_has_its_own_connections_and_an_ended_one_is_forgotten() -> None:
    async def main(closes: bool) -> int:
        async with serving(says(OK, times=9)) as server:
            assert (await exchanged(server), await exchanged(server)) == (b"ok", b"ok")
            if closes:
                await close_all()
            return len(server.peers)

    assert asyncio.run(main(closes=False)) == 1
    assert asyncio.run(main(closes=True)) == 1
    assert [loop for loop in http1_pool._by_loop if loop.is_closed()] == []
