"""A relayed stream cut between its events, wherever the network cut it, and each of its bytes looked at a few times at most."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from routing.providers import relay_stream, sse
from routing.providers.base import Endpoint
from routing.providers.relay_reading import READINGS
from routing.providers.relay_stream import Scan
from routing.terms.fault import Failed, Fault
from routing.terms.request import Timeouts
from routing.terms.words import ErrorKind, ProviderKind

CHUNK = b'data: {"choices":[{"delta":{"content":"%s"}}]}'
STREAM = (
    b": a comment",
    CHUNK % b"",
    CHUNK % b"It ",
    CHUNK % b"works",
    b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}',
    b"data: [DONE]",
)
LARGE, PIECE = 400_000, 1_000


def scan_of(wire: str) -> Scan:
    return Scan(READINGS[wire](), lambda data: Fault(ErrorKind.SERVER, data.decode()), drops_usage=False)


def passed_on(stream: bytes, piece: int) -> bytes:
    scan, passed = scan_of("openai_chat"), b""
    for at in range(0, len(stream), piece):
        relayed = scan.feed(stream[at : at + piece])
        passed += relayed.data if relayed else b""
    return passed


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_a_stream_is_handed_on_as_it_came_wherever_it_is_cut(end: bytes) -> None:
    stream = b"".join(event + end for event in STREAM)
    assert {passed_on(stream, piece) for piece in range(1, len(stream) + 1)} == {stream}


class Counted:
    """The pattern, and how many bytes were given to it."""

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self.pattern, self.looked_at = pattern, 0

    def search(self, data: bytes, at: int = 0) -> re.Match[bytes] | None:
        self.looked_at += len(data) - at
        return self.pattern.search(data, at)


def test_a_large_event_in_many_pieces_is_not_searched_anew_with_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image in a response is megabytes of one event. Searched with every piece, four of them took the event loop 2.3 s."""
    counted = Counted(relay_stream._BETWEEN)
    monkeypatch.setattr(relay_stream, "_BETWEEN", counted)
    scan = scan_of("openai_responses")
    scan.feed(b'data: {"type":"response.output_item.done","item":{"type":"image_generation_call","result":"')
    for _ in range(LARGE // PIECE):
        assert scan.feed(b"a" * PIECE) is None
    relayed = scan.feed(b'"}}\n\n')
    assert relayed is not None
    assert len(relayed.data) > LARGE
    assert counted.looked_at < 4 * LARGE


class Lines:
    """The body of an answer: the same line, many times."""

    def __init__(self, line: bytes, many: int) -> None:
        self.line, self.many, self.given = line, many, 0
        self.headers: dict[str, str] = {}
        self.status_code = 200

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        for _ in range(self.many):
            self.given += 1
            yield self.line


@pytest.mark.parametrize("line", [b"data:\n", b"data: {}\n", b"data: " + b"x" * 400 + b"\n"])
async def test_an_event_of_lines_without_an_end_is_let_go_of(monkeypatch: pytest.MonkeyPatch, line: bytes) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_CHARS", 2_000)
    body: Any = Lines(line, 1_000)
    endpoint = Endpoint(ProviderKind.OPENAI, "openai", "gpt")
    with pytest.raises(Failed) as failed:
        async for _ in sse.Events(body, endpoint, Timeouts(), asyncio.get_running_loop().time()):
            pass
    assert failed.value.fault.kind is ErrorKind.MALFORMED
    assert body.given * len(line) < 3_000


def test_what_comes_before_the_first_content_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_stream, "MAX_EVENT_CHARS", 2_000)
    scan, comment = scan_of("openai_chat"), b": a comment\n\n"
    for _ in range(2_000 // len(comment)):
        assert scan.feed(comment) is None
    with pytest.raises(Failed):
        scan.feed(comment)
