"""Requests and tokens per minute of a client: counted, settled, shared by processes through PostgreSQL."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from django.db import OperationalError
from django.test import Client as Browser

from routing import clients, limits
from routing.audit import SYSTEM
from routing.dispatch.limits import let_in, settle
from routing.dispatch.outcome import Refused
from routing.limits import Measure
from routing.models import Client, LimitPool
from routing.policy import limits as pure
from routing.terms.record import AttemptRecord
from routing.terms.request import Ask, Usage
from routing.terms.words import CredentialKind, Role, Scope, Status
from tests.routing.seeded import seeded  # noqa: F401


def caller(requests: int | None = None, tokens: int | None = None) -> clients.Caller:
    return clients.Caller(
        "ci", "ck_test", frozenset({Scope.DISPATCH}), requests_per_minute=requests, tokens_per_minute=tokens
    )


async def let(who: clients.Caller, ask: Ask, times: int) -> list[int]:
    """The statuses of so many calls."""
    statuses = []
    for _ in range(times):
        try:
            await let_in(who, ask)
            statuses.append(200)
        except Refused as refused:
            statuses.append(refused.status if 1 <= (refused.retry_after_s or 0) <= 61 else 0)
    return statuses


async def test_of_five_calls_three_a_minute_are_let_in() -> None:
    assert await let(caller(3), Ask("talk"), 5) == [200, 200, 200, 429, 429]


async def test_an_unlimited_client_is_counted_nowhere() -> None:
    assert await let(caller(), Ask("talk"), 3) == [200] * 3
    assert limits._here.meters == {}


async def test_tokens_are_estimated_before_and_settled_after() -> None:
    who, ask = caller(tokens=10_000), Ask("talk", size=4000, max_tokens=32_000)  # thought to use 5,024
    held = await let_in(who, ask)
    assert await let(who, ask, 1) == [429]
    settle(held, [attempt(Usage(4000, 100))])
    assert await let(who, ask, 2) == [200, 429]


async def test_more_tokens_than_were_thought_count_as_well() -> None:
    who = caller(tokens=10_000)
    held = await let_in(who, Ask("talk", size=100))
    settle(held, [attempt(Usage(4000, 5500))])
    assert await let(who, Ask("talk", size=100), 1) == [429]


@pytest.mark.parametrize(
    ("status", "left"), [(Status.OK, 8976), (Status.ERROR, 10_000)], ids=["served and not counted", "failed"]
)
async def test_without_a_count_an_answer_keeps_its_estimate_and_a_failure_costs_nothing(
    status: Status, left: int
) -> None:
    who = caller(tokens=10_000)
    settle(await let_in(who, Ask("talk")), [attempt(None, status)])  # thought to write 1,024
    assert limits.room("ci", Measure.TOKENS, 10_000, time.time())[0] == left


async def test_a_call_over_one_limit_uses_nothing_of_the_other() -> None:
    who, small = caller(2, 5000), Ask("talk", size=100)
    assert await let(who, small, 1) == [200]
    assert await let(who, Ask("talk", size=9000), 3) == [429] * 3
    assert await let(who, small, 2) == [200, 429]


def attempt(usage: Usage | None, status: Status = Status.OK) -> AttemptRecord:
    return AttemptRecord(
        attempt=1,
        provider="openai",
        model="codex",
        upstream_id="gpt",
        served_model="gpt",
        credential="main",
        credential_kind=CredentialKind.API_KEY,
        role=Role.PRIMARY,
        propensity=None,
        status=status,
        started_at=datetime.now(UTC),
        usage=usage,
    )


class Process:
    """What another process knows and does, played in this one."""

    def __init__(self) -> None:
        self.here = limits._Here()
        self.here.wake = lambda: None

    @contextmanager
    def runs(self) -> Iterator[None]:
        before, limits._here = limits._here, self.here
        yield
        limits._here = before


def take(process: Process, times: int, limit: int, now: float) -> int:
    """Of so many calls at once, how many are let in. The process asks the pool whenever it must, and its thread goes its rounds."""
    given = 0
    with process.runs():
        for _ in range(times):
            for _ in range(3):
                verdict = limits.take("ci", {Measure.REQUESTS: (limit, 1)}, now)
                if verdict is not pure.Verdict.ASK:
                    break
                limits.exchange(now)
            given += verdict is None
    return given


@pytest.mark.django_db
def test_processes_share_a_limit_through_postgresql_and_never_pass_it() -> None:
    Client.objects.create(slug="ci")
    now, three = time.time(), [Process() for _ in range(3)]
    given = [0, 0, 0]
    for _ in range(30):
        for place, process in enumerate(three):
            given[place] += take(process, 2, 100, now)
    assert sum(given) == 100
    pool = LimitPool.objects.get()
    for process in three:
        with process.runs():
            limits.exchange(now)
    assert limits.usage(now) == {("ci", Measure.REQUESTS): 100}
    assert len(pool.holds) == 3


@pytest.mark.django_db
def test_a_lone_process_gets_the_whole_limit_through_postgresql() -> None:
    Client.objects.create(slug="ci")
    assert take(Process(), 80, 60, time.time()) == 60


@pytest.mark.django_db
def test_what_could_not_be_told_is_told_later(monkeypatch: pytest.MonkeyPatch) -> None:
    Client.objects.create(slug="ci")
    now, process = time.time(), Process()
    assert take(process, 5, 10, now) == 5

    def lost(*_: object, **how: object) -> None:
        raise OperationalError("the server closed the connection")

    with process.runs():
        with monkeypatch.context() as patched:
            patched.setattr(LimitPool, "save", lost)
            with pytest.raises(OperationalError):
                limits.exchange(now)
            limits.away()
        assert take(process, 20, 10, now) == 5, "while it is away, the limit holds by what is known"
        limits.exchange(now)
        assert limits.usage(now) == {("ci", Measure.REQUESTS): 10}


@pytest.mark.django_db
def test_a_client_that_was_deleted_meanwhile_disturbs_nobody() -> None:
    assert take(Process(), 3, 2, time.time()) == 2
    assert not LimitPool.objects.exists()


async def test_a_pool_that_does_not_answer_in_time_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ASK_S", 0.01)
    monkeypatch.setattr(limits, "AWAY_S", 0.05)
    with Process().runs():
        assert await let(caller(1), Ask("talk"), 2) == [200, 429]
        assert limits._here.is_away, "who comes next does not wait again"


async def test_a_pool_that_answers_late_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """All was used elsewhere: an even share would have let the call in."""
    monkeypatch.setattr(limits, "ASK_S", 0.01)
    with Process().runs():
        calling = asyncio.ensure_future(let(caller(1), Ask("talk"), 1))
        await asyncio.sleep(0.05)
        now = time.time()
        (meter,) = limits._here.meters.values()
        telling = meter.tell(now)
        used = pure.exchanged(pure.Pool({int(now): 1}), limits._here.name, telling, limit=1, now=now)
        meter.told(used, limits._here.name, telling, now)
        limits._answer()
        assert await calling == [429]


def test_the_api_shows_a_clients_limits_and_what_it_used_of_them(seeded: str) -> None:  # noqa: F811
    clients.save_client("ci", {"requests_per_minute": 1}, by=SYSTEM)
    process = Process()
    assert take(process, 1, 1, time.time()) == 1
    with process.runs():
        limits.exchange(time.time())
    told = Browser().get("/api/v1/clients/ci", headers={"X-Cortex-Key": seeded}).json()
    assert (told["requests_per_minute"], told["tokens_per_minute"]) == (1, None)
    assert told["last_minute"] == {"requests": 1, "tokens": None}
