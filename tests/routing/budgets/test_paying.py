"""Each attempt is paid for before its provider is called, and settled on what it came to."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from django.utils import timezone

from routing import budgets, dispatch, drain, snapshot
from routing.budgets import keeper
from routing.dispatch import Refused, Result, paying
from routing.dispatch.call import Facts
from routing.models import Attempt, Budget, Call, Lease
from routing.providers.registry import close_all
from routing.terms.ids import uuid7
from routing.terms.request import Ask, Usage
from routing.terms.words import BudgetAction, SkipReason, Status
from tests.cortex.processes import until
from tests.doubles.script import answer, disconnects, error, stalls
from tests.routing.budgets.conftest import budget, ledger, settled, spend
from tests.routing.spooled import failed
from tests.routing.two_providers import CALLER, REQUEST, World

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("leases_end")]
T = TypeVar("T")
PAYS = {"scopes": CALLER.budgets, "max_tokens": 100, "size": 1000}


def ask(**more: Any) -> dict[str, Any]:
    return PAYS | more


def told(ended: Result | Refused) -> Any:
    return ended.model if isinstance(ended, Result) else (ended.status, ended.code)


def test_a_call_is_reserved_settled_and_booked_and_the_rest_refused(world: World) -> None:
    budget(usd="0.12")
    assert [told(world.dispatch(**ask())) for _ in range(2)] == ["one", "one"]
    refused = world.dispatch(**ask())
    assert isinstance(refused, Refused)
    assert (refused.status, refused.code, refused.retryable, refused.retry_after_s) == (
        402,
        "budget_spent",
        False,
        None,
    )
    left = refused.details.pop("left_usd")
    assert Decimal(left) in (0, Decimal("0.02"))  # nothing, while a lease that is on its way back holds the rest
    assert refused.details == {"scope": "client:ci", "needed_usd": "0.05", "limit_usd": "0.12"}
    assert "The budget of client:ci is spent for this month" in refused.message
    assert refused.message.endswith("Raise the limit, ask for fewer tokens, or wait.")
    settled()
    assert ledger() == (Decimal("0.10"), 0)
    assert len(world.primary.requests) == 2
    assert Call.objects.filter(status="blocked", error_code="budget_spent").count() == 1


def test_of_several_answers_to_one_call_each_is_reserved(world: World) -> None:
    """`n` on the chat wire: three answers of 100 tokens are $0.15, which the first provider would bill for one call."""
    world.wire = "openai_chat"
    world.primary.will(then=answer(written=300))
    budget(usd="0.20")
    three = replace(REQUEST, answers=3)
    assert told(world.dispatch(three, **ask())) == "one"
    refused = world.dispatch(three, **ask())
    assert isinstance(refused, Refused)
    assert (told(refused), refused.details["needed_usd"]) == ((402, "budget_spent"), "0.15")
    settled()
    assert ledger() == (Decimal("0.15"), 0)


def test_a_call_that_no_budget_must_hold_for_asks_no_database(world: World, django_assert_num_queries: Any) -> None:
    budget(action=BudgetAction.ALERT)
    budget("client:web", "1")
    snapshot.load_now()

    async def call() -> Result:
        try:
            return await dispatch.dispatch(Ask("talk", **PAYS), REQUEST, CALLER)
        finally:
            await close_all()

    with django_assert_num_queries(0):
        assert asyncio.run(call()).model == "one"
    assert keeper.current()._thread is None


def test_several_payers_pay_at_once_or_none_does(world: World) -> None:
    budget("client:ci", "1")
    budget("key:ck_test", "1")
    budget("project:site", "0.07")
    budget("provider:first", "1")
    assert told(world.dispatch(**ask(project="site"))) == "one"
    assert told(world.dispatch(**ask(project="site"))) == (402, "budget_spent")
    settled()
    for scope in ("client:ci", "key:ck_test", "project:site", "provider:first"):
        assert ledger(scope) == (Decimal("0.05"), 0), scope


def test_a_providers_spent_budget_leaves_its_models_out_and_others_serve(world: World) -> None:
    budget("provider:first", "0.07")
    assert [told(world.dispatch(**ask())) for _ in range(2)] == ["one", "two"]
    settled()
    assert (ledger("provider:first"), len(world.primary.requests)) == ((Decimal("0.05"), 0), 1)
    budget("provider:second", "0.001")
    refused = world.dispatch(**ask())
    assert isinstance(refused, Refused)
    assert (refused.status, {each["reason"] for each in refused.details["skipped"]}) == (402, {SkipReason.BUDGET})


def test_every_attempt_is_paid_for_and_a_failed_one_gives_everything_back(world: World) -> None:
    budget(usd="0.05")
    world.primary.will(error(500))
    assert told(world.dispatch(**ask())) == "two"
    settled()
    assert ledger() == (Decimal("0.01"), 0)


@pytest.mark.parametrize(
    ("act", "cost"),
    [
        pytest.param(disconnects(4), "0.0005", id="cut after the first word: the usage seen, one token"),
        pytest.param(answer(written=100), "0.05", id="whole"),
    ],
)
def test_a_stream_settles_on_the_usage_seen(world: World, act: Any, cost: str) -> None:
    budget(usd="0.20")
    world.primary.will(replace(act, text="It works."))
    world.stream(**ask())
    settled()
    assert Attempt.objects.get(provider="first").cost_usd == Decimal(cost)
    assert ledger() == (Decimal(cost), 0)


def test_a_client_that_went_away_before_a_word_was_said_gets_everything_back(world: World) -> None:
    budget(usd="0.05")
    world.primary.will(stalls(before_headers=True))

    async def leave() -> None:
        call = asyncio.create_task(dispatch.dispatch(Ask("talk", **PAYS), REQUEST, CALLER))
        await asyncio.to_thread(until, lambda: world.primary.requests)
        assert ledger_of_this_process() == {"client:ci": Decimal("0.05")}, "held meanwhile"
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    run(leave)
    assert drain.flush()
    settled()
    assert (ledger(), Attempt.objects.get().status) == ((0, 0), "cancelled")


def ledger_of_this_process() -> dict[str, Decimal]:
    return {lease.payer.scope: lease.purse.held for lease in keeper.current()._leases.values()}


def run(act: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """On a loop of its own, by what the database says now."""
    snapshot.load_now()

    async def whole() -> T:
        try:
            return await act()
        finally:
            await close_all()

    return asyncio.run(whole())


@pytest.mark.parametrize(
    ("status", "cost", "charged"),
    [
        pytest.param(Status.OK, None, "0.05", id="an answer without usage: the estimate"),
        pytest.param(Status.PARTIAL, None, "0.05", id="a cut stream without usage: the estimate"),
        pytest.param(Status.OK, "0.01", "0.01", id="what it cost"),
        pytest.param(Status.ERROR, None, None, id="a failed attempt: nothing"),
        pytest.param(Status.CANCELLED, None, None, id="a cancelled one: nothing"),
    ],
)
def test_what_a_budget_is_charged_is_what_the_row_says(status: Status, cost: str | None, charged: str | None) -> None:
    paid = budgets.Reservation(uuid7(timezone.now()), Decimal("0.05"), ())
    record = failed(1, status=status, cost_usd=cost and Decimal(cost), usage=Usage(1, 1) if cost else None)
    assert paying.charged(record, paid).cost_usd == (charged and Decimal(charged))
    assert paying.charged(record, budgets.NOTHING) is record


def test_what_has_no_price_is_estimated_at_nothing_and_goes_on_until_the_limit_is_reached(world: World) -> None:
    budget(usd="0.01")

    async def unpriced() -> Result:
        known = snapshot.current()
        snapshot._current = replace(known, rates={})
        return await dispatch.dispatch(Ask("talk", **PAYS), REQUEST, CALLER)

    assert run(unpriced).cost_usd is None
    assert told(world.dispatch(**ask())) == (402, "budget_spent"), "with a price it may not"


@pytest.mark.parametrize("left", ["0", "0.03"])
def test_at_its_limit_cheaper_models_take_over(world: World, left: str) -> None:
    """$0.03 are not enough for the dear one: the call finds out by itself, before any snapshot tells that the limit is reached."""
    budget(usd="0.10", action=BudgetAction.DEGRADE)
    spend("client:ci", str(Decimal("0.10") - Decimal(left)))
    ended = world.dispatch(**ask())
    assert isinstance(ended, Result)
    assert (ended.model, ended.attempts[0].role) == ("two", "fallback")
    assert ended.reason == "route: talk → two (one: degraded by the budget of client:ci)"
    assert world.primary.requests == []
    for _ in range(5):
        assert told(world.dispatch(**ask())) == "two"
    settled()
    assert Budget.objects.get().spent_usd == Decimal("0.10") - Decimal(left) + Decimal("0.06"), "nobody is refused"


def test_a_raised_limit_and_a_budget_switched_off_hold_at_once(world: World) -> None:
    made = budget(usd="0.05")
    assert [told(world.dispatch(**ask())) for _ in range(2)] == ["one", (402, "budget_spent")]
    Budget.objects.filter(pk=made.pk).update(monthly_usd=Decimal("0.10"))
    assert told(world.dispatch(**ask())) == "one"
    assert told(world.dispatch(**ask())) == (402, "budget_spent")
    Budget.objects.filter(pk=made.pk).update(enabled=False)
    assert told(world.dispatch(**ask())) == "one"


def test_the_second_opinion_is_paid_for_or_left_out(world: World) -> None:
    budget(usd="0.06")

    async def call() -> Result:
        return await dispatch.dispatch(Ask("talk", **PAYS), REQUEST, CALLER, Facts(second_opinion=True))

    first = run(call)
    assert first.second_opinion is not None
    assert first.cost_usd == Decimal("0.06")
    assert drain.flush()
    budget("key:ck_test", "0.055")
    Budget.objects.filter(scope="client:ci").update(monthly_usd=1)
    Budget.objects.filter(scope="key:ck_test").update(month=budgets.month_of(timezone.now())[0].date())
    assert run(call).second_opinion is None


def test_an_idle_lease_comes_back_by_itself(world: World) -> None:
    budget(usd="10")
    assert told(world.dispatch(**ask())) == "one"
    assert Lease.objects.exists() or ledger()[1] == 0
    settled()
    assert (ledger(), Lease.objects.count()) == ((Decimal("0.05"), 0), 0)


def test_a_months_end_begins_the_ledger_anew(world: World) -> None:
    made = budget(usd="0.05")
    spend("client:ci", "0.05")
    last = budgets.month_of(budgets.month_of(timezone.now())[0] - timedelta(days=1))[0].date()
    Lease.objects.create(budget=made, owner="another/1-1-1", month=last, usd=Decimal("0.05"), touched_at=timezone.now())
    Budget.objects.filter(pk=made.pk).update(month=last, reserved_usd=Decimal("0.05"))
    assert told(world.dispatch(**ask())) == "one"
    settled()
    assert (ledger(), Lease.objects.count()) == ((Decimal("0.05"), 0), 0)


def test_forty_calls_at_once_in_one_process_pass_no_limit(world: World) -> None:
    budget(usd="0.30")

    async def one() -> Any:
        try:
            return (await dispatch.dispatch(Ask("talk", **PAYS), REQUEST, CALLER)).model
        except Refused as refused:
            return refused.status

    async def all_() -> list[Any]:
        return await asyncio.gather(*(one() for _ in range(40)))

    ended = run(all_)
    assert (ended.count("one"), ended.count(402)) == (6, 34)
    assert len(world.primary.requests) == 6
