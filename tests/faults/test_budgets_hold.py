"""Two real workers, one budget, far more calls at once than it can pay: exactly what it can pay reaches the provider, whatever dies meanwhile."""

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from routing import budgets, changes, clients
from routing.audit import SYSTEM
from routing.models import Attempt, Budget, Call, Lease
from routing.terms.words import BudgetAction, Status
from tests.cortex.processes import Managed, get, until
from tests.doubles.script import Act, answer, stalls
from tests.faults.cut import to_postgres
from tests.routing.two_providers import OPENAI, World, two_providers

pytestmark = pytest.mark.django_db(transaction=True)

COST = Decimal("0.05")  # of 100 output tokens at $500 for a million; input is free
PRICED = answer(written=100, delay_s=0.05)
LANES = {
    "/api/v1/dispatch": {"task_type": "talk", "prompt": "Say it.", "max_tokens": 100},
    "/v1/chat/completions": {
        "model": "task:talk",
        "messages": [{"role": "user", "content": "Say it."}],
        "max_tokens": 100,
    },
}


@dataclass(frozen=True)
class Told:
    status: int
    body: Any
    headers: dict[str, str]


@dataclass
class Served:
    """`manage.py serve`, asked over HTTP by the key of a client."""

    world: World
    process: Managed
    url: str

    def ask(self, key: str, lane: str, count: int) -> list[Told]:
        """So many calls, all at once."""
        return asyncio.run(self._ask(key, lane, count))

    async def _ask(self, key: str, lane: str, count: int) -> list[Told]:
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(self.url.rstrip("/"), connector=connector) as session:
            return await asyncio.gather(*(self._one(session, key, lane) for _ in range(count)))

    async def _one(self, session: aiohttp.ClientSession, key: str, lane: str) -> Told:
        try:
            async with session.post(lane, json=LANES[lane], headers={"X-Cortex-Key": key}) as told:
                return Told(told.status, json.loads(await told.read()), dict(told.headers))
        except aiohttp.ClientError:  # the worker was killed
            return Told(0, None, {})

    @property
    def bill(self) -> Decimal:
        """What the provider would ask for, by its own count of what it wrote."""
        return COST * len(self.world.primary.requests)

    def is_up(self) -> bool:
        try:
            return bool(get(f"{self.url}healthz"))
        except OSError:
            return False


@contextmanager
def served(folder: Path, *acts: Act, then: Act = PRICED, workers: int = 2, database: str = "") -> Iterator[Served]:
    """Two workers over one provider that plays the acts. There is no fallback."""
    connection.ensure_connection()
    info = connection.connection.info
    with two_providers(first=acts, kinds=(OPENAI, OPENAI), steps=["first:one"]) as world:
        world.primary.will(then=then)
        dear = {"provider": "first", "slug": "one", "price": {"input": "0", "output": "500"}}
        changes.publish({"models": [dear]}, by=SYSTEM, reason="a price", source="load")
        process = Managed(
            *("serve", "--bind", "127.0.0.1:0", "--workers", str(workers)),
            output=folder / "output",
            env={
                "CORTEX_DATA_DIR": str(folder),
                "DATABASE_URL": database
                or f"postgresql://{info.user}@/{info.dbname}?host={info.host}&port={info.port}",
                "CORTEX_ALLOW_PRIVATE_UPSTREAMS": "*",
            },
        )
        try:
            there = Served(world, process, until(lambda: process.said("Serving on")).split()[2])
            until(there.is_up, within_s=120)  # a busy machine takes its time to begin
            yield there
            process.tell(signal.SIGTERM)
            assert process.exit_code() == 0
        finally:
            process.clear_up()


def client(name: str, usd: str) -> str:
    """A key of a client that may spend so much."""
    Budget.objects.create(scope=f"client:{name}", monthly_usd=Decimal(usd), steps=[], at_limit=BudgetAction.BLOCK)
    return clients.create_key(name, by=SYSTEM).key


def ledger(name: str) -> tuple[Decimal, Decimal]:
    """(spent, reserved)"""
    return Budget.objects.values_list("spent_usd", "reserved_usd").get(scope=f"client:{name}")


def rows(name: str) -> Decimal:
    return Call.objects.filter(client=name).aggregate(all=Sum("cost_usd"))["all"] or Decimal(0)


def exactly(folder: Path, calls: int, pays: int) -> None:
    limit = str(COST * pays)
    keys = {lane: client(name, limit) for lane, name in zip(LANES, ("native", "relayed"), strict=True)}
    with served(folder) as there:
        for number, (lane, key) in enumerate(keys.items(), 1):
            told = there.ask(key, lane, calls)
            assert Counter(one.status for one in told) == {200: pays, 402: calls - pays}
            assert len(there.world.primary.requests) == number * pays
            refused = next(one.body for one in told if one.status == 402)
            assert "budget" in json.dumps(refused)
        # Spent to the last cent: from here on nobody waits for anything to come back.
        until(lambda: ledger("native") == ledger("relayed") == (Decimal(limit), 0))
        assert there.bill == rows("native") + rows("relayed") == 2 * Decimal(limit)
        assert Counter(one.status for one in there.ask(keys["/api/v1/dispatch"], "/api/v1/dispatch", 5)) == {402: 5}
    assert Lease.objects.count() == 0
    budgets.check(timezone.now())
    assert ledger("native") == ledger("relayed") == (Decimal(limit), 0)


def test_of_60_calls_at_once_on_two_workers_the_ten_that_can_be_paid_reach_the_provider(tmp_path: Path) -> None:
    exactly(tmp_path, calls=60, pays=10)


@pytest.mark.soak
@pytest.mark.parametrize("run", range(5))
def test_of_200_calls_at_once_on_two_workers_the_20_that_can_be_paid_reach_the_provider(
    tmp_path: Path, run: int
) -> None:
    exactly(tmp_path, calls=200, pays=20)


def test_a_killed_workers_lease_comes_back_and_its_unknown_call_costs_nothing(tmp_path: Path, settings: Any) -> None:
    """A worker dies with a call on its way: the reservation stays until the rows say what became of the call, and then it is free."""
    settings.DATA_DIR = tmp_path  # the minute's job runs beside the workers
    key, lane = client("native", str(COST * 5)), "/api/v1/dispatch"
    with served(tmp_path, stalls(before_headers=True)) as there:
        with ThreadPoolExecutor() as threads:
            hanging = threads.submit(there.ask, key, lane, 1)
            until(lambda: there.world.primary.requests)
            victim = int(Lease.objects.get().owner.rpartition("/")[2].split("-")[1])
            until(lambda: ledger("native") == (0, COST))  # what is idle has come back, what is held has not
            budgets.check(timezone.now())
            assert ledger("native") == (0, COST), "its owner lives"
            os.kill(victim, signal.SIGKILL)
            assert hanging.result()[0].status == 0
        until(lambda: Call.objects.filter(status=Status.UNKNOWN).exists())
        until(lambda: (budgets.check(timezone.now()), ledger("native"))[1] == (0, 0))
        assert Attempt.objects.get().cost_usd is None

        told = there.ask(key, lane, 20)
        assert Counter(one.status for one in told) == {200: 5, 402: 15}
        until(lambda: ledger("native") == (COST * 5, 0))
        assert rows("native") == COST * 5 == there.bill - COST  # the provider may have answered into the void
    assert Lease.objects.count() == 0


def test_while_postgresql_is_away_leases_are_spent_and_no_more(tmp_path: Path) -> None:
    connection.ensure_connection()
    wire, url = to_postgres(connection.connection.info)
    key, lane = client("native", "10"), "/v1/chat/completions"  # a lease is $1.00 at most: 20 calls
    with wire, served(tmp_path, workers=1, database=url, then=answer(written=100)) as there:
        until(lambda: there.ask(key, lane, 1)[0].status == 200)
        wire.cut()
        told = until_refused(there, key, lane)
        assert told.count(200) <= 20
        assert there.ask(key, lane, 1)[0].status == 503
        refused = there.ask(key, lane, 1)[0]
        assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
        assert refused.body["error"]["code"] == "budget_unavailable"
        wire.mend()
        until(lambda: there.ask(key, lane, 1)[0].status == 200)
        until(lambda: ledger("native") == (there.bill, 0))
        assert rows("native") == there.bill


def until_refused(there: Served, key: str, lane: str) -> list[int]:
    told: list[int] = []
    while not told or told[-1] == 200:
        told.append(there.ask(key, lane, 1)[0].status)
    return told
