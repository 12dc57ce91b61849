"""A second opinion on every way that a call can go: told to native callers, behind the answer for the wires; it never hurts the first."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from routing import changes, drain, recorder, snapshot
from routing.audit import SYSTEM
from routing.dispatch import Result, dispatch, opinion, stream
from routing.dispatch.call import Facts
from routing.models import Attempt, Call, WorkItem
from routing.providers.registry import close_all
from routing.terms.ids import uuid7
from routing.terms.request import Ask
from tests.doubles.script import answer, error, stalls
from tests.routing.spooled import failed, intent, outcome
from tests.routing.two_providers import ANTHROPIC, CALLER, OPENAI, REQUEST, WAYS, World, raw, two_providers

pytestmark = pytest.mark.django_db
SAME, OTHER = answer("It works."), answer("It does not.")
WIRES = {"anthropic": ANTHROPIC, "openai_chat": OPENAI, "openai_responses": OPENAI}


def asked(
    world: World, wire: str, *, streams: bool = False, settle_s: float = 30.0, **facts: Any
) -> tuple[Result, float, list[tuple[Any, ...]]]:
    """One call with all that it leaves behind in PostgreSQL: its result, the seconds to it, and its attempts' rows."""
    snapshot.load_now()
    request = REQUEST if wire == "native" else replace(REQUEST, raw=raw(wire, stream=streams))
    said = Facts(wire=wire, **{"second_opinion": True} | facts)

    async def call() -> tuple[Result, float]:
        begun = time.perf_counter()
        try:
            if streams:
                *_, last = [told async for told in stream(Ask("talk"), request, CALLER, said)]
                assert isinstance(last, Result)
            else:
                last = await dispatch(Ask("talk"), request, CALLER, said)
            return last, time.perf_counter() - begun
        finally:
            await opinion.settled(settle_s)
            await close_all()

    result, seconds = asyncio.run(call())
    assert drain.flush()
    rows = Attempt.objects.filter(call_id=result.request_id).order_by("attempt")
    return result, seconds, [(row.provider, row.role, row.status, row.output_hash, row.output_chars) for row in rows]


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
def test_a_native_caller_is_told_both(streams: bool) -> None:
    with two_providers(first=(SAME,), second=(OTHER,)) as world:
        result, _, rows = asked(world, "native", streams=streams)
    assert result.second_opinion is not None
    assert result.second_opinion.answer is not None
    assert (result.answer.output, result.second_opinion.answer.output) == ("It works.", "It does not.")
    assert [row[:3] for row in rows] == [("first", "primary", "ok"), ("second", "second_opinion", "ok")]
    assert ([row[4] for row in rows], rows[0][3] != rows[1][3]) == ([9, 12], True)


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("says", [SAME, OTHER], ids=["the same", "something else"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_over_a_wire_it_is_asked_for_behind_the_answer_and_compared_with_it(
    way: tuple[Any, Any, str], says: Any, streams: bool
) -> None:
    *kinds, wire = way
    is_relayed, wire = bool(wire), wire or ("openai_chat" if kinds[0] is ANTHROPIC else "anthropic")
    with two_providers(first=(SAME,), second=(says,), kinds=(kinds[0], kinds[1])) as world:
        result, _, rows = asked(world, wire, streams=streams)
    assert (result.second_opinion, len(result.attempts)) == (None, 1), "the client is answered before"
    assert (result.answer.passed is not None) == (is_relayed and not streams)
    assert [row[:3] for row in rows] == [("first", "primary", "ok"), ("second", "second_opinion", "ok")]
    assert (rows[0][3] == rows[1][3]) == (says is SAME)
    assert rows[0][4] == 9
    call = Call.objects.get()
    assert (call.status, call.attempts_count, call.served_model) == ("ok", 2, "first:one")
    costs = [each.cost_usd or Decimal(0) for each in Attempt.objects.all()]
    assert (call.cost_usd, all(costs)) == (sum(costs), True), "both are paid for"
    assert call.total_ms == round((call.finished_at - call.started_at).total_seconds() * 1000)  # type: ignore[operator]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
def test_a_second_that_hangs_delays_nobody_and_is_written_down_when_the_process_ends(wire: str, streams: bool) -> None:
    kinds = (WIRES[wire], OPENAI if WIRES[wire] is ANTHROPIC else ANTHROPIC)
    with two_providers(second=(stalls(before_headers=True),), kinds=kinds) as world:
        result, seconds, rows = asked(world, wire, streams=streams, settle_s=0.5)
        assert len(world.fallback.requests) == 1
    assert seconds < 20, "the route would let it hang for 30 s"
    assert [row[:3] for row in rows] == [("first", "primary", "ok"), ("second", "second_opinion", "cancelled")]
    assert (result.answer.output if not streams else "It works.", Call.objects.get().status) == ("It works.", "ok")


@pytest.mark.parametrize("wire", ["native", *WIRES])
def test_a_second_that_fails_never_hurts_the_first(wire: str) -> None:
    kinds = (WIRES.get(wire, ANTHROPIC), OPENAI if WIRES.get(wire, ANTHROPIC) is ANTHROPIC else ANTHROPIC)
    with two_providers(second=(error(500),), kinds=kinds) as world:
        result, _, rows = asked(world, wire)
    assert result.answer.output == "It works."
    assert (result.used_fallback, result.reason) == (False, "route: talk → one")
    assert [row[:3] for row in rows] == [("first", "primary", "ok"), ("second", "second_opinion", "error")]
    assert Call.objects.get().status == "ok"


def test_a_route_may_ask_for_it_on_every_wire_but_not_where_a_client_is_observed() -> None:
    with two_providers(second_opinion=True) as world:
        _, _, rows = asked(world, "anthropic", second_opinion=False)
        assert [row[1] for row in rows] == ["primary", "second_opinion"]
        snapshot.load_now()

        async def observed() -> Result:
            request = replace(REQUEST, raw=raw("anthropic"))
            ask = Ask("talk", override="first:one", is_observed=True, fallback="none")
            try:
                return await dispatch(ask, request, CALLER, Facts(wire="anthropic"))
            finally:
                await opinion.settled()
                await close_all()

        asyncio.run(observed())
        assert len(world.fallback.requests) == 1


def test_nothing_is_kept_of_an_output_that_is_not_compared() -> None:
    with two_providers() as world:
        _, _, rows = asked(world, "native", second_opinion=False)
    assert rows == [("first", "primary", "ok", "", None)]


def test_a_provider_that_has_no_place_left_gives_no_second_opinion() -> None:
    with two_providers() as world:
        changes.publish(
            {"providers": [{"slug": "second", "max_concurrency": 1}]}, by=SYSTEM, reason="one place", source="load"
        )
        world.fallback.will(answer(delay_s=0.3))
        snapshot.load_now()

        async def both() -> list[Result]:
            said = Facts(second_opinion=True)
            try:
                return await asyncio.gather(*(dispatch(Ask("talk"), REQUEST, CALLER, said) for _ in range(3)))
            finally:
                await close_all()

        results = asyncio.run(both())
        assert world.fallback.busiest == 1
    assert all(each.answer.output == "It works." for each in results)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[recorder.Spool]:
    made = recorder.Spool(tmp_path / "spool" / "host")
    yield made
    made.close()


def test_a_process_that_dies_in_a_second_opinion_leaves_its_trace_and_the_answer_stands(
    spool: recorder.Spool, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    call = intent(now, id=uuid7(now))
    done = outcome(call.id, at=now)
    spool.start(call)
    spool.finish(done)
    spool.start(call)
    spool.fall_back(call.id, done.attempts[-1], then="openai:codex")
    spool.close()  # as the kernel does it
    folder = tmp_path / "spool" / "host"
    for _ in range(2):
        with drain.held_lock(folder) as lock:
            assert lock is not None
            drain.drain_folder(folder)
    rows = Attempt.objects.filter(call_id=call.id).order_by("attempt").values_list("attempt", "model", "status")
    assert list(rows)[-1] == (len(done.attempts) + 1, "codex", "unknown")
    assert (Call.objects.get().status, WorkItem.objects.count()) == ("ok", 1)


@pytest.mark.parametrize("together", [True, False], ids=["drained together", "one after the other"])
def test_a_later_longer_outcome_of_a_call_is_the_one_that_stands(
    spool: recorder.Spool, tmp_path: Path, together: bool
) -> None:
    now, folder = datetime.now(UTC), tmp_path / "spool" / "host"
    call = intent(now, id=uuid7(now))
    short = outcome(call.id, at=now)
    long = replace(short, attempts=(*short.attempts, replace(failed(len(short.attempts) + 1), cost_usd=Decimal("0.5"))))
    for said in (short, long):
        spool.start(call)
        spool.finish(said)
        if not together:
            drained(folder)
    drained(folder)
    row = Call.objects.get()
    assert row.attempts_count == len(long.attempts)
    assert row.cost_usd is not None
    assert row.cost_usd - sum(each.cost_usd or 0 for each in short.attempts) == Decimal("0.5")


def drained(folder: Path) -> None:
    with drain.held_lock(folder) as lock:
        assert lock is not None
        drain.drain_folder(folder)
