"""A process that has as many calls as it may tells one more to come back, in its own shape and unread; everything else answers on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from django.test import override_settings

from cortex import asgi
from routing.dispatch import engine
from tests.cortex.test_asgi import Exchange, dispatch
from tests.routing.dispatching import Scripted
from tests.routing.seeded import seeded  # noqa: F401

BODY = {"task_type": "coding", "prompt": "hi"}


@asynccontextmanager
async def full(key: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[], Awaitable[Exchange]]]:
    """A process that may have one call, and has it. Call what is given to end that one."""
    end = asyncio.Event()
    adapter = Scripted({"gpt-6.1-sol": end})
    monkeypatch.setattr(engine, "lane_for", lambda kind, raw: adapter)
    with override_settings(MAX_CALLS=1):
        only = asyncio.create_task(dispatch(key, BODY).run())
        await adapter.waiting.wait()

        async def ended() -> Exchange:
            end.set()
            return await only

        yield ended
        await ended()
    assert asgi.admission.inside == 0


SHAPES = {
    "/api/v1/dispatch": lambda error: error["code"],
    "/v1/chat/completions": lambda error: error["code"],
    "/v1/responses": lambda error: error["code"],
    "/v1/embeddings": lambda error: error["code"],
    "/v1/messages": lambda error: {"overloaded_error": "overloaded"}.get(error["type"]),
    "/mcp": lambda error: error["code"],
}


@pytest.mark.parametrize("path", SHAPES)
async def test_one_call_more_is_told_to_come_back_before_it_is_read(seeded, monkeypatch, path):  # noqa: F811
    async with full(seeded, monkeypatch):
        exchange = Exchange("POST", path, b"{ no json, and never read")
        await exchange.run()
        assert exchange.status == 503
        assert SHAPES[path](exchange.error()) == "overloaded"
        headers = {name.lower(): value for name, value in exchange.sent[0]["headers"]}
        assert headers[b"retry-after"] == b"1"
        assert len(exchange.waiting) == 1, "the body was not asked for"


async def test_health_and_lists_answer_while_it_is_full(seeded, monkeypatch):  # noqa: F811
    async with full(seeded, monkeypatch):
        for path in ("/healthz", "/readyz", "/metrics", "/v1/models"):
            found = await Exchange("GET", path, headers=[(b"x-cortex-key", seeded.encode())]).run()
            assert found.status == 200, path


async def test_when_a_call_has_ended_the_next_is_served(seeded, monkeypatch):  # noqa: F811
    async with full(seeded, monkeypatch) as end:
        assert (await dispatch(seeded, BODY).run()).status == 503
        assert (await end()).status == 200
        assert (await dispatch(seeded, BODY).run()).status == 200


async def test_a_client_that_goes_away_leaves_its_place(seeded, monkeypatch):  # noqa: F811
    adapter = Scripted({"gpt-6.1-sol": asyncio.Event()})
    monkeypatch.setattr(engine, "lane_for", lambda kind, raw: adapter)
    exchange = dispatch(seeded, BODY)
    running = asyncio.create_task(exchange.run())
    await adapter.waiting.wait()
    assert asgi.admission.inside == 1
    exchange.gone.set()
    await running
    assert asgi.admission.inside == 0
