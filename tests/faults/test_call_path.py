"""Between a request and its answer, on every wire, in both lanes: no query, no thread; and no provider called that cannot be recorded."""

import asyncio
import errno
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from asgiref.sync import SyncToAsync
from django.db.backends.utils import CursorWrapper

from routing import changes, clients, drain, recorder, segments, snapshot
from routing.audit import SYSTEM
from routing.models import Attempt, Call
from routing.providers.registry import close_all
from tests.cortex.test_asgi import Exchange
from tests.faults.life import CHAT_TOO, WAYS, Way
from tests.routing.two_providers import World, two_providers

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(settings, tmp_path: Path) -> Iterator[World]:
    settings.DATA_DIR = tmp_path
    recorder.close()
    with two_providers() as made:
        changes.publish(CHAT_TOO, by=SYSTEM, reason="the other way round", source="load")
        yield made
    recorder.close()
    snapshot.forget()


@pytest.fixture
def key(world: World) -> str:
    made = clients.create_key("ci", by=SYSTEM).key
    snapshot.load_now()
    return made


def exchange(way: Way, key: str) -> Exchange:
    headers = [(b"x-cortex-key", key.encode()), (b"content-type", b"application/json")]
    return Exchange("POST", way.path, json.dumps(way.body).encode(), headers)


async def all_ways(key: str) -> list[Exchange]:
    try:
        return [await exchange(way, key).run() for way in WAYS]
    finally:
        await close_all()


async def warm_then_all_ways(key: str, counted: pytest.MonkeyPatch, seen: list[str]) -> list[Exchange]:
    """The first call over an SDK imports it, in a thread; counted are those behind it."""
    try:
        for way in WAYS:
            await exchange(way, key).run()
        loop = asyncio.get_running_loop()
        for owner, name in (
            (CursorWrapper, "execute"),
            (CursorWrapper, "executemany"),
            (SyncToAsync, "__call__"),
            (type(loop), "run_in_executor"),
        ):
            counted.setattr(owner, name, _noted(getattr(owner, name), f"{owner.__name__}.{name}", seen))
        return [await exchange(way, key).run() for way in WAYS]
    finally:
        counted.undo()
        await close_all()


def _noted(real, name: str, seen: list[str]):
    def noting(*args, **kwargs):
        seen.append(name)
        return real(*args, **kwargs)

    return noting


def test_no_call_asks_the_database_or_a_thread(world: World, key: str) -> None:
    seen: list[str] = []
    with pytest.MonkeyPatch.context() as counted:
        answers = asyncio.run(warm_then_all_ways(key, counted, seen))
    assert [each.status for each in answers] == [200] * len(WAYS)
    assert seen == []
    assert drain.flush()
    assert Call.objects.filter(status="ok").count() == Attempt.objects.count() == 2 * len(WAYS)


def test_the_counting_sees_a_key_that_the_process_does_not_know(world: World, key: str) -> None:
    seen: list[str] = []
    with pytest.MonkeyPatch.context() as counted:
        counted.setattr(SyncToAsync, "__call__", _noted(SyncToAsync.__call__, "SyncToAsync.__call__", seen))
        refused = asyncio.run(exchange(WAYS[0], f"{key[:-1]}{'a' if key[-1] != 'a' else 'b'}").run())
    assert refused.status == 401
    assert set(seen) == {"SyncToAsync.__call__"}


def test_a_full_disk_is_503_on_every_wire_and_no_provider_is_called(
    world: World, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "_allocate", lambda *_: errno.ENOSPC)
    answers = asyncio.run(all_ways(key))
    assert [each.status for each in answers] == [503] * len(WAYS)
    assert all("error" in json.loads(each.content) for each in answers)
    assert all(b"retry-after" in {name.lower() for name, _ in each.sent[0]["headers"]} for each in answers)
    assert world.primary.requests == world.fallback.requests == []
    monkeypatch.undo()
    assert [each.status for each in asyncio.run(all_ways(key))] == [200] * len(WAYS)  # there is room again
