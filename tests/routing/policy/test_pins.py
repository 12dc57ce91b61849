"""What a session began with, against what the table would give it now."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.policy.draw import canonical, drawn, uniform
from routing.policy.health import Broken, Health, Rest
from routing.policy.pins import in_force, pinned, scope_of, usual
from routing.policy.plan import plan
from routing.policy.table import Exploration, Route
from routing.terms.candidate import Pin
from routing.terms.request import Ask
from routing.terms.words import Role
from tests.routing.policy.strategies import asks, healths, tables
from tests.routing.policy.worlds import API_KEY, KEYS, LATER, NOW, made, order, steps, table, why

TASK = "code_generation"
HAIKU = Pin(KEYS["haiku"], Role.EXPLORE)
OPUS = Pin(KEYS["opus"], Role.PRIMARY)
BEGAN = Ask(TASK, pin=OPUS)


def exploring(*challengers: str, share: float = 0.1, **dates):
    days = {"starts_on": NOW.date(), "until": NOW.date()} | dates
    trial = Exploration(1, TASK, share, steps(" ".join(challengers)), **days)
    return table(explorations={TASK: trial})


def test_what_the_session_began_with_comes_first_and_the_route_is_there_for_its_failure():
    found = made(BEGAN)
    assert order(found) == ["opus", "sonnet", "codex"]
    assert [each.role for each in found.candidates] == [Role.PRIMARY, Role.FALLBACK, Role.FALLBACK]
    assert found.reason == "session began with opus"
    assert found.shares == ()
    assert found.challengers == ()


def test_a_pinned_challenger_keeps_its_role_when_its_exploration_is_over():
    found = made(Ask(TASK, pin=HAIKU))
    assert (found.candidates[0].model, found.candidates[0].role) == ("haiku", Role.EXPLORE)


def test_a_pinned_step_of_the_route_is_tried_once():
    assert order(made(Ask(TASK, pin=Pin(KEYS["codex"], Role.PRIMARY)))) == ["codex", "sonnet"]


@pytest.mark.parametrize(
    ("health", "word"),
    [
        (Health(cooldowns={("anthropic", "main", "opus"): Rest(LATER)}), "cooldown"),
        (Health(circuits={("anthropic", "opus"): Broken(LATER)}), "circuit_open"),
        (Health(spent=frozenset({"provider:anthropic"})), "budget"),
        (Health(not_ready={("anthropic", API_KEY.name): "refused"}), "not_ready"),
    ],
    ids=["cooling down", "circuit open", "budget spent", "not ready"],
)
def test_a_pinned_model_that_rests_is_skipped_with_its_reason_and_the_others_are_fallbacks(health, word):
    found = made(BEGAN, health)
    assert "opus" not in order(found)
    assert why(found, "opus") == word
    assert {each.role for each in found.candidates} == {Role.FALLBACK}
    assert "opus: " in found.reason


@pytest.mark.parametrize(
    "ask",
    [replace(BEGAN, background=True), replace(BEGAN, allowed_models=frozenset(steps("sonnet codex")))],
    ids=["interactive only", "not allowed"],
)
def test_policy_filters_a_pinned_model_as_any(ask):
    assert order(made(ask)) == ["sonnet", "codex"]


@pytest.mark.parametrize(
    "ended",
    [{"enabled": False}, {"retire_at": NOW.date()}],
    ids=["switched off", "retired"],
)
def test_a_model_that_is_gone_for_good_holds_no_session(ended):
    there = table()
    gone = table(models={**there.models, OPUS.model: replace(there.models[OPUS.model], **ended)})
    assert in_force(gone, BEGAN, NOW) is None
    assert made(BEGAN, in_table=gone) == made(Ask(TASK), in_table=gone)


@pytest.mark.parametrize(
    "ask", [Ask(TASK, override="codex"), Ask(TASK, author=KEYS["gpt-4o"])], ids=["an override", "a review"]
)
def test_who_names_a_model_or_an_author_is_not_held(ask):
    assert made(replace(ask, pin=OPUS)) == made(ask)


@pytest.mark.parametrize("role", [Role.FALLBACK, Role.OVERRIDE, Role.OBSERVED])
def test_only_a_primary_or_a_challenger_pins(role):
    assert pinned(table(), Ask(TASK), Pin(OPUS.model, role), made(TASK).candidates[0], NOW) is None


def test_a_session_that_is_drawn_as_it_began_needs_no_pin():
    first = made(TASK).candidates[0]
    assert pinned(table(), Ask(TASK), Pin(first.key, Role.PRIMARY), first, NOW) is None
    assert pinned(table(), Ask(TASK), OPUS, first, NOW) == BEGAN


def test_calls_of_another_project_or_condition_go_by_their_own_route():
    asks = [Ask(TASK), Ask(TASK, project="site"), Ask(TASK, context=("batch",)), Ask(TASK, "site", context=("batch",))]
    assert [scope_of(each) for each in asks] == ["", "site", "?batch", "site?batch"]


def test_a_resting_challengers_sessions_go_to_the_primary_and_nobody_elses_move():
    there = exploring("codex", "haiku", share=0.4)
    resting = Health(cooldowns={("openai", "main", "codex"): Rest(LATER)})
    of_old, of_new = (plan(there, Ask(TASK), health, NOW) for health in (Health(), resting))
    moved = {(drawn(of_old, u)[0][0].model, drawn(of_new, u)[0][0].model) for u in (n / 1000 for n in range(1000))}
    assert moved == {("codex", "sonnet"), ("haiku", "haiku"), ("sonnet", "sonnet")}
    assert dict(of_new.shares) == pytest.approx({KEYS["haiku"]: 0.2, KEYS["sonnet"]: 0.8})
    assert drawn(of_new, 0.1)[1] == pytest.approx(0.8)  # the codex stretch is the primary's now
    assert drawn(of_new, 0.3)[1] == pytest.approx(0.2)


def test_the_usual_way_of_a_task_is_the_primary_and_the_shares_that_its_calls_write_down():
    there = exploring("haiku", "codex")
    ways = usual(there, NOW.date())
    assert ways[TASK, ""] == (KEYS["sonnet"], canonical(plan(there, Ask(TASK), Health(), NOW).shares))
    assert ways["vibe_coding", ""] == (KEYS["codex"], "")
    assert usual(there, NOW.date() + timedelta(days=1))[TASK, ""] == (KEYS["sonnet"], "")


def test_a_project_with_a_route_of_its_own_has_its_own_way():
    there = table(
        Route(TASK, steps("sonnet codex")),
        Route(TASK, steps("codex"), project="site"),
        projects={"site": "Site", "shop": "Shop"},
        explorations=exploring("haiku").explorations,
    )
    ways = usual(there, NOW.date())
    assert ways[TASK, "site"] == (KEYS["codex"], "")
    assert ways[TASK, "shop"] == ways[TASK, ""] != (KEYS["sonnet"], "")


@given(st.uuids(), st.floats(0.01, 0.5), st.integers(0, 1))
def test_tables_with_the_same_ways_draw_the_same_arm_for_every_session(item: UUID, share, later):
    one, other = exploring("haiku", "codex", share=share), exploring("haiku", "codex", share=share)
    moved = replace(other, revision=99, routes={**other.routes, ("x", None, ""): Route("x", steps("codex"))})
    assert usual(one, NOW.date())[TASK, ""] == usual(moved, NOW.date())[TASK, ""]
    u = uniform(item, b"k" * 32)
    arms = {drawn(plan(each, Ask(TASK), Health(), NOW), u)[0][0].key for each in (one, moved)}
    assert len(arms) == 1


@given(tables(), asks(), healths(), st.sampled_from(sorted(KEYS.values())), st.sampled_from(list(Role)))
def test_a_pin_never_lets_a_model_be_called_that_policy_keeps_away(there, ask, health, model, role):
    """With it the candidates are those of the plan without it, and at most the pinned model beside them, first."""
    pin = Pin(model, role)
    bound = replace(ask, pin=pin)
    try:
        plain, kept = (plan(there, each, health, NOW) for each in (ask, bound))
    except LookupError:
        return
    keys = [each.key for each in kept.candidates]
    assert len({(each.key, each.credential) for each in kept.candidates}) == len(keys)
    if in_force(there, bound, NOW) is None:
        assert kept == plain
    elif model in keys[1:]:
        assert model in [each.key for each in plain.candidates] or not plain.candidates
    elif keys[:1] == [model]:
        assert kept.candidates[0].role is role
        assert health.spent.isdisjoint({f"provider:{kept.candidates[0].provider}"})
