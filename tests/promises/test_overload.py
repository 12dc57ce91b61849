"""One hanging provider does not slow another, and overload sheds: only 200, 429 and 503 with Retry-After, and soon all is well again."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import pytest
from django.db import connection
from django.test import override_settings

from cortex import asgi
from routing import changes, clients, snapshot
from routing.audit import SYSTEM
from tests import doubles
from tests.cortex.processes import Managed, until
from tests.doubles import Double, script

Answer = tuple[int, dict[str, str]]
WITHIN_S = 5.0  # all is well again
PLACES, WAITING = 4, 4


@contextmanager
def two_tasks(delay_s: float) -> Iterator[tuple[Double, Double]]:
    """Task "slow" goes to a provider with four places that takes its time, "quick" to another."""
    with doubles.serve_in_thread(then=script.answer(delay_s=delay_s)) as slow, doubles.serve_in_thread() as quick:
        there = {"slow": (slow, PLACES, WAITING), "quick": (quick, 64, None)}
        document: dict[str, Any] = {
            "providers": [
                {
                    "slug": slug,
                    "kind": "openai_compatible",
                    "base_url": double.openai,
                    "max_concurrency": places,
                    "max_waiting": waiting,
                }
                for slug, (double, places, waiting) in there.items()
            ],
            "models": [{"provider": slug, "slug": "one", "upstream_id": "one"} for slug in there],
            "task_types": [{"slug": slug, "name": slug} for slug in there],
            "routes": [{"task_type": slug, "project": None, "steps": [f"{slug}:one"]} for slug in there],
        }
        changes.publish(document, by=SYSTEM, reason="a slow and a quick one", source="load")
        snapshot.load_now()
        yield slow, quick


class Load:
    """Calls of one key, over connections of their own."""

    def __init__(self, address: str, key: str) -> None:
        self.address, self.key = address.rstrip("/"), key

    async def __aenter__(self) -> "Load":
        connector = aiohttp.TCPConnector(limit=0)
        self.session = aiohttp.ClientSession(connector=connector, headers={"X-Cortex-Key": self.key})
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def call(self, task: str, wire: bool = True) -> Answer:
        path, body = "/api/v1/dispatch", {"task_type": task, "prompt": "x"}
        if wire:
            path = "/v1/chat/completions"
            body = {"model": f"task:{task}", "messages": [{"role": "user", "content": "x"}]}  # type: ignore[dict-item]
        async with self.session.post(self.address + path, json=body) as answer:
            told = json.loads(await answer.read())
            assert ("error" in told) is (answer.status != 200)
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}

    async def get(self, path: str) -> int:
        async with self.session.get(self.address + path) as answer:
            await answer.read()
            return answer.status


def assert_shed(answers: list[Answer]) -> Counter[int]:
    """Nothing but 200, 429 and 503, and each of those says when to come back."""
    statuses = Counter(status for status, _ in answers)
    assert set(statuses) <= {200, 429, 503}, statuses
    assert all(int(headers["retry-after"]) >= 1 for status, headers in answers if status != 200)
    return statuses


@pytest.mark.django_db
def test_a_full_provider_sheds_and_another_one_serves_every_call_meanwhile(address):
    key = clients.create_key("ci", by=SYSTEM).key

    async def rush() -> tuple[list[Answer], list[Answer]]:
        async with Load(address, key) as load:
            # Ten times as many as have a place; half of them over a wire.
            rushing = [asyncio.create_task(load.call("slow", wire=bool(n % 2))) for n in range(10 * PLACES)]
            await asyncio.to_thread(until, lambda: len(slow.requests) == PLACES)
            beside = [await load.call("quick") for _ in range(10)]
            assert [await load.get(path) for path in ("/healthz", "/readyz")] == [200, 200]
            ended = await asyncio.gather(*rushing)
            return [*ended, await load.call("slow")], beside

    with two_tasks(delay_s=0.3) as (slow, _):
        ended, beside = asyncio.run(rush())
    assert [status for status, _ in beside] == [200] * 10
    statuses = assert_shed(ended)
    assert statuses[200] == PLACES + WAITING + 1, "those with a place, those who waited, and the next one"
    assert len(slow.requests) == statuses[200]


@pytest.mark.django_db
def test_a_full_process_sheds_and_is_well_again_when_its_calls_have_ended(address):
    key = clients.create_key("ci", by=SYSTEM).key

    async def rush() -> list[Answer]:
        async with Load(address, key) as load:
            ended = await asyncio.gather(*(load.call("quick", wire=bool(n % 2)) for n in range(100)))
            await asyncio.to_thread(until, lambda: asgi.admission.inside == 0)
            return [*ended, await load.call("quick")]

    with two_tasks(delay_s=0) as (_, quick), override_settings(MAX_CALLS=10):
        quick.will(then=script.answer(delay_s=0.1))
        ended = asyncio.run(rush())
    statuses = assert_shed(ended)
    assert statuses[503] > 0
    assert statuses[200] == len(quick.requests) >= 11
    assert ended[-1][0] == 200


@pytest.mark.soak
@pytest.mark.django_db(transaction=True)
def test_at_ten_times_its_capacity_a_worker_sheds_for_twenty_seconds_and_recovers(tmp_path):
    """A real worker. Capacity: 4 places of 0.2 s are 20 calls a second; 200 are sent, of a limited client too."""
    keys = [clients.create_key(name, by=SYSTEM).key for name in ("free", "limited")]
    clients.save_client("limited", {"requests_per_minute": 100}, by=SYSTEM)
    connection.ensure_connection()
    info = connection.connection.info
    env: dict[str, str | None] = {
        "CORTEX_DATA_DIR": str(tmp_path),
        "DATABASE_URL": f"postgresql://{info.user}@/{info.dbname}?host={info.host}&port={info.port}",
        "CORTEX_ALLOW_PRIVATE_UPSTREAMS": "*",
        "CORTEX_MAX_CALLS": "40",
    }
    with two_tasks(delay_s=0.2):
        served = Managed("serve", "--bind", "127.0.0.1:0", "--workers", "1", output=tmp_path / "out", env=env)
        try:
            url = until(lambda: served.said("Serving on")).split()[2]
            ended, well_s = asyncio.run(_storm(url, keys))
        finally:
            served.clear_up()
    statuses = assert_shed(ended)
    assert statuses[200] >= 50, "it goes on serving"
    assert statuses[429] >= 1
    assert statuses[503] >= 500
    assert well_s <= WITHIN_S


async def _storm(url: str, keys: list[str]) -> tuple[list[Answer], float]:
    async with Load(url, keys[0]) as free, Load(url, keys[1]) as limited:
        await _well(free, "quick", 30)
        running, begun = [], time.monotonic()
        for n in range(4000):
            await asyncio.sleep(max(begun + n / 200 - time.monotonic(), 0))
            running.append(asyncio.create_task((limited if n % 4 == 0 else free).call("slow", wire=bool(n % 2))))
            if n % 200 == 0:
                assert await free.get("/healthz") == 200
        stopped = time.monotonic()
        await _well(free, "slow", 30)
        return list(await asyncio.gather(*running)), time.monotonic() - stopped


async def _well(load: Load, task: str, within_s: int) -> None:
    """Returns when a call of the task is served."""
    for _ in range(within_s * 10):
        if (await load.call(task))[0] == 200:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{task} was not served for {within_s} s")
