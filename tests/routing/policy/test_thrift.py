"""A budget whose limit is reached and that degrades: cheaper models take over, and nobody is refused."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from routing.policy.health import Health, Reading, Rest
from routing.policy.plan import plan
from routing.policy.table import Route, Table
from routing.terms.candidate import Plan
from routing.terms.request import Ask
from tests.routing.policy.strategies import asks, healths, tables
from tests.routing.policy.worlds import CURVE, KEYS, LATER, NOW, ROUTES, made, order, steps, table, why

PRICES = {
    "opus": 25, "sonnet": 15, "haiku": 5, "codex": 14, "gpt-5.2": 10, "gpt-4o": 4, "gemini-pro": 12, "gemini-flash": 2,
}  # fmt: skip
REACHED = Health(degraded=frozenset({"client:ci"}))
ASK = Ask("complex_reasoning", client="ci", scopes=frozenset({"client:ci"}))


def priced(*routes: Route, **parts: Any) -> Table:
    """The table with prices; `local` has none."""
    return replace(table(*routes, **parts), prices={KEYS[slug]: Decimal(price) for slug, price in PRICES.items()})


def degraded(task: str = "complex_reasoning", there: Table | None = None, **ask: Any) -> Plan:
    return made(replace(ASK, task_type=task, **ask), REACHED, there or priced())


def test_the_cheaper_steps_of_the_route_stay_and_the_dearer_go_with_the_reason() -> None:
    found = degraded()
    assert order(found) == ["gpt-4o"]
    assert why(found, "opus") == "degraded"
    assert found.reason == "route: complex_reasoning → gpt-4o (opus: degraded by the budget of client:ci)"


@pytest.mark.parametrize(
    ("task", "instead"),
    [
        pytest.param("content_drafting", ["haiku", "gpt-4o"], id="the next lower tier of its provider, then of the others"),
        pytest.param("code_generation", ["codex"], id="the route's own"),
        pytest.param("heartbeat", ["local"], id="what has no price stays where a person put it"),
    ],
)  # fmt: skip
def test_who_takes_the_place(task: str, instead: list[str]) -> None:
    assert order(degraded(task)) == instead


def test_a_lower_tier_that_cannot_be_called_is_passed_over() -> None:
    rest = Rest(LATER)
    health = replace(REACHED, cooldowns={("anthropic", "main", "haiku"): rest, ("openai", "main", "gpt-4o"): rest})
    found = made(replace(ASK, task_type="content_drafting"), health, priced())
    assert order(found) == ["gemini-flash", "gpt-5.2"], "the cheapest of all that can"


def test_where_nothing_cheaper_can_be_called_the_route_stays_as_it_is() -> None:
    cheapest = Route("heartbeat", steps("gemini-flash"))
    assert order(degraded("heartbeat", priced(cheapest))) == ["gemini-flash"]
    unpriced = Route("heartbeat", steps("local"))
    assert order(degraded("heartbeat", priced(unpriced))) == ["local"]


def test_an_override_is_governed_too_and_a_cheaper_one_is_kept() -> None:
    assert order(degraded(override="opus")) == ["gpt-4o"]
    assert order(degraded(override="haiku")) == ["haiku", "gpt-4o"]
    assert order(degraded(override="opus", fallback="none")) == ["sonnet"], "of the next lower tier"


def test_without_a_fallback_one_model_takes_the_place() -> None:
    assert order(degraded("content_drafting", fallback="none")) == ["haiku"]


def test_a_providers_budget_governs_its_own_models_alone() -> None:
    health = Health(degraded=frozenset({"provider:anthropic"}))
    route = Route("complex_reasoning", steps("opus codex sonnet"))
    assert order(made("complex_reasoning", health, priced(replace(route, steps=steps("sonnet opus"))))) == [
        "haiku",
        "gpt-4o",
    ]
    assert order(made("complex_reasoning", health, priced(route))) == ["codex", "sonnet"]


def test_the_curve_has_its_say_before_the_budget_and_about_who_takes_a_place() -> None:
    there = priced(curve=CURVE)
    health = replace(REACHED, readings=(Reading("anthropic", "weekly", 96, NOW),))  # sonnet is out
    assert order(made(replace(ASK, task_type="content_drafting"), health, there)) == ["codex"]


def test_a_budget_of_somebody_else_changes_nothing() -> None:
    ask = Ask("complex_reasoning", client="web", scopes=frozenset({"client:web"}))
    assert order(made(ask, REACHED, priced())) == ROUTES["complex_reasoning"].split()


@given(tables(), asks(), healths())
def test_a_reached_budget_that_degrades_refuses_nobody_who_would_be_served_without_it(
    there: Table, ask: Ask, health: Health
) -> None:
    there = replace(there, prices={KEYS[slug]: Decimal(price) for slug, price in PRICES.items()})
    before = plan(there, ask, health, NOW)
    after = plan(there, ask, replace(health, degraded=frozenset({"client:ci"})), NOW)
    if before.candidates:
        assert after.candidates
    limit = max((there.prices[each.key] for each in before.candidates if each.key in there.prices), default=None)
    if after.candidates != before.candidates and limit is not None:
        assert all(there.prices.get(each.key, limit) <= limit for each in after.candidates)
