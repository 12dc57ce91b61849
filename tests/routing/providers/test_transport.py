"""The SDKs' requests over our own connections: whatever happens to an answer, its connection is let go of, and only a finished one is kept."""

import asyncio

import httpx2
import pytest

from routing.providers.openai import OpenAI
from routing.providers.pool import http_client
from routing.terms.fault import Failed
from routing.terms.request import Message, Request, Timeouts
from routing.terms.words import ErrorKind
from tests.routing.providers.scripted import ROOMY_S, says, serving

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

REQUEST = Request((Message("user", "hi"),), max_tokens=1)
ROOMY = httpx2.Timeout(ROOMY_S)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def test_a_header_that_is_no_ascii_is_handed_on_and_its_answer_read() -> None:
    said = "HTTP/1.1 200 OK\r\nx-region: Zürich\r\ncontent-length: 2\r\n\r\nok".encode()
    async with serving(says(said, times=2)) as server, http_client(None) as client:
        answers = [await client.get(server.base_url, timeout=ROOMY) for _ in range(2)]
        assert [(each.text, each.headers["x-region"]) for each in answers] == [("ok", "Zürich")] * 2
        assert len(server.peers) == 1


async def test_an_error_whose_body_hangs_ends_its_connection_when_it_is_given_up() -> None:
    """The SDKs read the body of an error themselves, and close nothing when that fails."""
    async with serving(says(b"HTTP/1.1 500 Oh\r\ncontent-length: 99\r\n\r\n{")) as server:
        timeouts = Timeouts(ROOMY_S, 0.05, 0.05, 0.05)
        with pytest.raises(Failed) as failed:
            await OpenAI().complete(server.endpoint(), REQUEST, timeouts)
        assert failed.value.fault.kind is ErrorKind.TIMEOUT
        await server.peers[0].left()


async def test_who_is_cancelled_while_an_error_is_read_leaves_no_connection_behind() -> None:
    async with serving(says(b"HTTP/1.1 500 Oh\r\ncontent-length: 99\r\n\r\n{")) as server:
        timeouts = Timeouts(ROOMY_S, ROOMY_S, ROOMY_S, ROOMY_S)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await OpenAI().complete(server.endpoint(), REQUEST, timeouts)
        await server.peers[0].left()


async def test_who_stops_reading_in_the_middle_ends_the_connection() -> None:
    async with (
        serving(says(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhalf")) as server,
        http_client(None) as client,
    ):
        async with client.stream("GET", server.base_url, timeout=ROOMY) as response:
            assert await anext(response.aiter_bytes()) == b"half"
        await server.peers[0].left()


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (OK, True),
        (b"HTTP/1.1 103 Hints\r\nlink: </a>\r\n\r\n" + OK, True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 304 Not Modified\r\netag: a\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", False),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", False),
        (OK + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", False),
    ],
    ids=["plain", "hints before it", "no content", "not modified", "close", "HTTP/1.0", "more than was asked for"],
)
async def test_a_connection_is_asked_again_only_where_nothing_is_left_on_it(said: bytes, kept: bool) -> None:
    async with serving(says(said, times=2)) as server, http_client(None) as client:
        for _ in range(2):
            try:
                answer = await client.get(server.base_url, timeout=ROOMY)
            except httpx2.RemoteProtocolError:
                continue
            assert answer.text in ("ok", "")
        assert (len(server.peers) == 1) is kept


async def test_the_time_for_a_connection_and_for_each_piece_holds() -> None:
    async with (
        serving(says(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhalf")) as server,
        http_client(None) as client,
    ):
        with pytest.raises(httpx2.ReadTimeout):
            await client.get(server.base_url, timeout=httpx2.Timeout(0.05, connect=ROOMY_S))
        await server.peers[0].left()
