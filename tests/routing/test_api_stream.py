"""A streamed dispatch over HTTP: `start`, `delta` …, then one `done` or one `error`."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from routing import recorder
from routing.dispatch import engine
from routing.providers.base import Endpoint
from routing.terms.event import Event, StreamStart, TextDelta
from routing.terms.request import Request, Timeouts
from routing.terms.words import ErrorKind
from tests.cortex.test_asgi import Exchange
from tests.routing.seeded import seeded  # noqa: F401
from tests.routing.test_api_dispatch import Caller, error_of


@pytest.fixture
def ci(seeded):  # noqa: F811
    return Caller(seeded)


async def events(content: AsyncIterator[bytes]) -> list[tuple[str, dict]]:
    text = b"".join([part async for part in content]).decode()
    read = []
    for event in text.removesuffix("\n\n").split("\n\n"):
        name, data = event.split("\n")
        read.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return read


async def test_an_answer_comes_as_it_is_written_and_once_more_whole(ci):
    response = await ci.post("dispatch", {"task_type": "vibe_coding", "prompt": "hello", "stream": True})
    assert (response.status_code, response["Content-Type"]) == (200, "text/event-stream")
    (first, start), *deltas, (last, done) = await events(response.streaming_content)

    assert (first, last) == ("start", "done")
    assert {name for name, _ in deltas} == {"delta"}
    assert "".join(delta["text"] for _, delta in deltas) == done["output"]
    assert (start["provider"], start["model"], start["reason"]) == ("openai", "codex", "route: vibe_coding → codex")
    assert start["request_id"] == done["request_id"] == response["X-Cortex-Request-Id"]
    assert (response["X-Cortex-Model"], response["X-Cortex-Attempts"]) == ("codex", "1")
    assert (response["X-Cortex-Fallback"], response["X-Cortex-Reason"]) == ("false", "route: vibe_coding -> codex")
    assert done["ttft_ms"] is not None
    assert done["attempts"][0]["ttft_ms"] == done["ttft_ms"]


async def test_what_fails_before_the_first_word_is_an_error_like_any_other(ci):
    body = {"task_type": "vibe_coding", "prompt": "x", "stream": True, "override": "gpt-0"}
    assert error_of(await ci.post("dispatch", body), 422)["code"] == "unknown_model"


class Endless:
    """Says one word and is silent ever after."""

    def __init__(self) -> None:
        self.is_closed, self.is_silent = False, asyncio.Event()

    async def stream(self, endpoint: Endpoint, request: Request, timeouts: Timeouts) -> AsyncIterator[Event]:
        try:
            yield StreamStart("gpt-codex-2026")
            yield TextDelta("Well,")
            self.is_silent.set()
            await asyncio.Event().wait()
        finally:
            self.is_closed = True

    def thinking_control(self, endpoint: Endpoint, request: Request) -> str:
        return ""


async def test_who_stops_listening_ends_the_providers_work(seeded, monkeypatch):  # noqa: F811
    ended, adapter = [], Endless()
    monkeypatch.setattr(recorder, "finish", ended.append)
    monkeypatch.setattr(engine, "lane_for", lambda kind, raw: adapter)
    body = json.dumps({"task_type": "vibe_coding", "prompt": "hello", "stream": True}).encode()
    headers = [(b"x-cortex-key", seeded.encode()), (b"content-type", b"application/json")]
    exchange = Exchange("POST", "/api/v1/dispatch", body, headers)
    running = asyncio.create_task(exchange.run())
    await adapter.is_silent.wait()
    assert b"Well," in exchange.content
    exchange.gone.set()
    await running

    assert adapter.is_closed
    assert [(each.status, each.attempts[0].error_kind) for each in ended] == [("cancelled", ErrorKind.CANCELLED)]
    assert ended[0].attempts[0].usage.output_tokens == 1  # "Well," at four characters a token
