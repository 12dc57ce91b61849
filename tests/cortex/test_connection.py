"""A client's connection to a web worker: what of a request is not taken in, and when it is given up."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
import uvicorn

from cortex.worker import LEAST_BYTES, MAX_HEAD_BYTES, MOST_LOOKS, Connection, State

ROOMY_S = 20
LARGE = 32 * 1024 * 1024  # more than any two sockets hold
BODY = b"HTTP/1.1 is what this body begins with\n"
Ask = Callable[[bytes], Any]


async def _app(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
    """Answers a POST with how long its body was, all else with BODY twice."""
    if scope["path"] == "/hold":
        scope["state"]["held"].set()
        await scope["state"]["release"].wait()
    pieces = [bytes(LARGE), bytes(LARGE)] if scope["path"] == "/large" else [BODY, BODY]
    if scope["method"] == "POST":
        size, is_more = 0, True
        while is_more:
            message = await receive()
            if message["type"] == "http.disconnect":
                scope["state"]["gone"].set()
                return
            size, is_more = size + len(message["body"]), message["more_body"]
        pieces = [str(size).encode()]
    if scope["path"] == "/headers":
        pieces = [b" ".join(name for name, _ in scope["headers"])]
    length = str(sum(map(len, pieces))).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    for number, piece in enumerate(pieces, start=1):
        await send({"type": "http.response.body", "body": piece, "more_body": number < len(pieces)})
        if scope["path"] == "/slow":
            await asyncio.sleep(0.01)
    scope["state"]["ended"].set()


@pytest.fixture
def state() -> State:
    return State()


@pytest.fixture
def events() -> dict[str, asyncio.Event]:
    return {name: asyncio.Event() for name in ("held", "release", "gone", "ended")}


@pytest.fixture
async def port(state: State, events: dict[str, asyncio.Event]) -> AsyncIterator[int]:
    config = uvicorn.Config(_app, http=Connection, lifespan="off", ws="none", log_config=None)
    config.load()

    def made() -> Connection:
        return Connection(config=config, server_state=state, app_state=events)

    server = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def said(port: int, *pieces: bytes) -> bytes:
    """All that is answered to these pieces, until the worker closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        return await asyncio.wait_for(reader.read(), ROOMY_S)
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


def head(method: str, path: str, *more: str) -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "host: here", *more, "\r\n")).encode()


async def test_answers_to_requests_sent_at_once_come_whole_and_in_order(port: int) -> None:
    last = head("GET", "/last", "connection: close")
    came = await said(port, head("GET", "/") + head("GET", "/slow") + head("HEAD", "/") + last)
    answers = came.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert [each.partition(b"\r\n\r\n")[2] for each in answers] == [BODY * 2, BODY * 2, b"", BODY * 2]


async def test_what_is_no_http_is_told_so(port: int) -> None:
    assert (await said(port, b"nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("begun", [b"GET /", head("GET", "/")[:-2] + b"x-", head("GET", "/")[:-2] + b"x: "])
async def test_a_head_without_an_end_is_not_taken_in(port: int, begun: bytes) -> None:
    came = await said(port, begun, *[b"a" * 16_384] * 40)
    assert came == b"" or came.startswith(b"HTTP/1.1 400 ")


async def test_what_follows_a_body_in_chunks_without_an_end_is_not_taken_in(port: int) -> None:
    begun = head("POST", "/", "transfer-encoding: chunked") + b"2\r\nhi\r\n0\r\nx-"
    assert await said(port, begun, *[b"a" * 16_384] * 40) == b""


NEXT = head("GET", "/next", "connection: close")
OFFER = ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABkAAQAAP__")


@pytest.mark.parametrize("piece", [1, 7, 10_000])
@pytest.mark.parametrize(
    ("request_", "answers"),
    [
        pytest.param(head("GET", "/", *OFFER), [BODY * 2], id="without a body"),
        pytest.param(
            head("POST", "/", *OFFER, f"content-length: {len(NEXT)}") + NEXT, [b"%d" % len(NEXT)], id="with a body"
        ),
        pytest.param(head("POST", "/", *OFFER, "content-length: 0"), [b"0"], id="with an empty body"),
        pytest.param(
            head("POST", "/", *OFFER, "transfer-encoding: chunked") + b"2\r\nhi\r\n0\r\n\r\n", [b"2"], id="in chunks"
        ),
        pytest.param(
            head("POST", "/", *OFFER, "content-length: 2") + b"hi" + head("GET", "/", *OFFER),
            [b"2", BODY * 2],
            id="two",
        ),
    ],
)
async def test_who_offers_another_protocol_is_answered_in_this_one(
    port: int, request_: bytes, answers: list[bytes], piece: int
) -> None:
    """Java's client offers HTTP/2 with its first request. Its body was dropped, or taken for the next request if it came later."""
    sent = request_ + NEXT
    came = await said(port, *(sent[at : at + piece] for at in range(0, len(sent), piece)))
    bodies = [each.partition(b"\r\n\r\n")[2] for each in came.split(b"HTTP/1.1 200 OK\r\n")[1:]]
    assert bodies == [*answers, BODY * 2]


async def test_many_offers_in_one_piece_are_each_answered(port: int) -> None:
    many = 2_000
    came = await said(port, head("GET", "/", *OFFER[:2]) * many + NEXT)
    assert came.count(b"HTTP/1.1 200 OK\r\n") == many + 1


async def test_an_offer_hides_no_request_that_is_none(port: int) -> None:
    sent = head("POST", "/", *OFFER, "content-length: 2", "transfer-encoding: chunked") + b"0\r\n\r\n" + NEXT
    assert b" 200 " not in await said(port, sent)


async def test_what_comes_behind_a_body_is_no_header(port: int) -> None:
    begun = head("POST", "/headers", "transfer-encoding: chunked", "connection: close")
    came = await said(port, begun + b"2\r\nhi\r\n0\r\nx-forwarded-for: 203.0.113.9\r\nx-cortex-override: opus\r\n\r\n")
    assert came.partition(b"\r\n\r\n")[2] == b"host transfer-encoding connection"


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_large_body_and_a_large_head_before_it_are_taken(port: int, chunked: bool) -> None:
    body = b"b" * 1_000_000
    length = "transfer-encoding: chunked" if chunked else f"content-length: {len(body)}"
    begun = head("POST", "/", length, "connection: close", "x: " + "a" * (MAX_HEAD_BYTES - 200))
    pieces = [body[at : at + 1000] for at in range(0, len(body), 1000)]
    if chunked:
        pieces = [b"3e8\r\n" + each + b"\r\n" for each in pieces] + [b"0\r\n\r\n"]
    came = await said(port, begun[:30_000], begun[30_000:], *pieces)
    assert came.startswith(b"HTTP/1.1 200 ")
    assert came.endswith(b"\r\n\r\n1000000")


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(ROOMY_S):
        while not happened():  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def asking(
    port: int, state: State, sent: bytes
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client that has sent this, all of which has come. It reads nothing that it is not told to."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(sent)
    await until(lambda: bool(state.connections) and came(state) == len(sent))
    yield reader, writer
    writer.transport.abort()
    await until(lambda: not state.connections)


def came(state: State) -> int:
    """Bytes, since the last look."""
    return sum(each._came for each in state.connections if isinstance(each, Connection))


@pytest.mark.parametrize(
    "begun",
    [b"", b"GET / HTTP/1.1\r\nhost: he", head("POST", "/", "content-length: 10") + b"half "],
    ids=["nothing", "half a head", "half a body"],
)
async def test_a_request_that_does_not_go_on_is_given_up(
    port: int, state: State, events: dict[str, asyncio.Event], begun: bytes
) -> None:
    async with asking(port, state, begun):
        for _ in range(MOST_LOOKS - 1):
            state.look()
        await asyncio.sleep(0)
        assert state.connections
        state.look()
        await until(lambda: not state.connections)
        if b"POST" in begun:
            await asyncio.wait_for(events["gone"].wait(), ROOMY_S)  # whoever waited for the body is told


async def test_a_slow_request_that_goes_on_is_taken(port: int, state: State) -> None:
    many = 3 * MOST_LOOKS
    async with asking(port, state, head("POST", "/", f"content-length: {many * LEAST_BYTES}")) as (reader, writer):
        for _ in range(many):
            state.look()
            writer.write(b"b" * LEAST_BYTES)
            await until(lambda: came(state) == LEAST_BYTES)
        assert b"200 OK" in await asyncio.wait_for(reader.readline(), ROOMY_S)


async def test_an_answer_that_nobody_takes_is_given_up(
    port: int, state: State, events: dict[str, asyncio.Event]
) -> None:
    """Else a client that does not read would hold its call, and its provider's connection, for ever."""
    async with asking(port, state, head("GET", "/large")):
        await until(lambda: any(isinstance(each, Connection) and each.flow.write_paused for each in state.connections))
        for _ in range(MOST_LOOKS + 1):  # the first finds what was not there before
            assert not events["ended"].is_set()
            state.look()
        await asyncio.wait_for(events["ended"].wait(), ROOMY_S)
        assert not state.connections


async def test_an_answer_that_is_taken_slowly_comes_whole(port: int, state: State) -> None:
    async with asking(port, state, head("GET", "/large", "connection: close")) as (reader, _):
        for _ in range(2 * MOST_LOOKS):
            await asyncio.wait_for(reader.readexactly(LARGE // MOST_LOOKS), ROOMY_S)
            state.look()
        assert len(await asyncio.wait_for(reader.read(), ROOMY_S)) > 0


async def test_who_waits_for_an_answer_or_for_the_next_request_is_not_stuck(
    port: int, state: State, events: dict[str, asyncio.Event]
) -> None:
    async with asking(port, state, head("POST", "/hold", "content-length: 2") + b"hi") as (reader, _):
        await asyncio.wait_for(events["held"].wait(), ROOMY_S)
        for _ in range(2 * MOST_LOOKS):
            state.look()
        events["release"].set()
        assert b"200 OK" in await asyncio.wait_for(reader.readline(), ROOMY_S)
        for _ in range(2 * MOST_LOOKS):
            state.look()
        assert state.connections
