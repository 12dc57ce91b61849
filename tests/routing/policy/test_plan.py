"""What a plan says, rule by rule of the precedence.

Over 300 lines: the rules in the order of their precedence, over one table.
"""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings

from routing.policy.health import Broken, Health, Reading, Rest
from routing.policy.table import Exploration, Route, TaskType
from routing.terms.request import Ask
from routing.terms.words import Role, TaskKind
from tests.routing.policy.strategies import asks, healths, tables
from tests.routing.policy.worlds import (
    API_KEY,
    CURVE,
    KEYS,
    LATER,
    NOW,
    OAUTH,
    ROUTES,
    made,
    order,
    steps,
    table,
    why,
)


def test_a_caller_names_a_task_and_gets_its_primary_with_the_reason():
    found = made("vibe_coding")
    assert order(found) == ["codex", "sonnet"]
    assert [candidate.role for candidate in found.candidates] == [Role.PRIMARY, Role.FALLBACK]
    assert found.reason == "route: vibe_coding → codex"
    assert (found.primary, found.source, found.revision) == ("openai:codex", "global", 7)


def test_a_dash_in_the_fallback_column_means_one_attempt():
    assert order(made("content_drafting")) == ["sonnet"]


def test_an_override_replaces_the_primary_and_the_routes_fallbacks_follow():
    found = made(Ask("code_generation", override="codex"))
    assert order(found) == ["codex", "sonnet"]
    assert [candidate.role for candidate in found.candidates] == [Role.OVERRIDE, Role.FALLBACK]
    assert found.source == "override"


def test_an_override_from_outside_the_route_takes_its_primarys_place():
    found = made(Ask("code_generation", override="haiku"))
    assert order(found) == ["haiku", "codex"]
    skipped = next(each for each in found.skipped if each.model == "sonnet")
    assert (skipped.reason, skipped.detail) == ("overridden", "replaced by the override haiku")


def test_an_override_that_cannot_be_called_leaves_the_route_as_it_is():
    found = made(Ask("code_generation", override="gpt-5.2"), Health(circuits={("openai", "gpt-5.2"): Broken(LATER)}))
    assert (order(found), found.source) == (["sonnet", "codex"], "global")
    assert found.reason == "route: code_generation → sonnet (gpt-5.2: circuit open after failures until 12:05)"


def test_an_override_without_fallback_is_tried_alone():
    found = made(Ask("code_generation", override="claude", fallback="none"))
    assert order(found) == ["opus"]
    assert (why(found, "sonnet"), why(found, "codex")) == ("overridden", "fallback_off")


def test_a_route_with_fallback_off_has_one_attempt():
    route = Route("vibe_coding", steps("codex sonnet"), fallback=False)
    assert order(made("vibe_coding", in_table=table(route))) == ["codex"]


def test_background_work_never_touches_an_interactive_model():
    down = Health(circuits={("gemini", "gemini-flash"): Broken(LATER)})
    found = made(Ask("heartbeat", background=True), down)
    assert order(found) == ["local"]
    assert why(found, "opus") == "interactive_only"
    assert why(found, "gemini-flash") == "circuit_open"


def test_a_projects_route_overrides_the_global_one():
    there = table(
        Route("vibe_coding", steps("codex sonnet")), Route("vibe_coding", steps("gemini-flash"), project="site")
    )
    found = made(Ask("vibe_coding", project="site"), in_table=there)
    assert (order(found), found.source) == (["gemini-flash"], "project")
    assert found.reason == "project site: vibe_coding → gemini-flash"
    assert order(made(Ask("vibe_coding", project="other"), in_table=there)) == ["codex", "sonnet"]


def test_of_several_conditions_the_callers_first_decides():
    there = table(
        Route("code_generation", steps("sonnet codex")),
        Route("code_generation", steps("codex"), condition="batch"),
        Route("code_generation", steps("opus"), condition="debugging"),
    )
    assert order(made(Ask("code_generation", context=("debugging", "batch")), in_table=there)) == ["opus"]
    assert order(made(Ask("code_generation", context=("batch", "debugging")), in_table=there)) == ["codex"]
    unheard = made(Ask("code_generation", context=("bacth",)), in_table=there)
    assert (order(unheard), unheard.warnings[-1].short) == (["sonnet", "codex"], "no condition bacth")


def test_a_condition_that_holds_chooses_its_own_route():
    there = table(
        Route("code_generation", steps("sonnet codex")), Route("code_generation", steps("codex"), condition="batch")
    )
    assert order(made(Ask("code_generation", context=("batch",)), in_table=there)) == ["codex"]
    assert order(made(Ask("code_generation", context=("interactive",)), in_table=there)) == [
        "sonnet",
        "codex",
    ]


@pytest.mark.parametrize(
    ("health", "reason", "until"),
    [
        pytest.param(Health(cooldowns={("openai", "main", "codex"): Rest(LATER)}), "cooldown", LATER, id="model cools"),
        pytest.param(Health(cooldowns={("openai", "main", ""): Rest(LATER)}), "cooldown", LATER, id="credential cools"),
        pytest.param(Health(circuits={("openai", "codex"): Broken(LATER)}), "circuit_open", LATER, id="circuit"),
        pytest.param(Health(quotas={"codex-cli": Rest(LATER)}), "quota_exhausted", LATER, id="quota"),
        pytest.param(Health(not_ready={("openai", "main"): "401"}), "not_ready", None, id="credential refused"),
        pytest.param(Health(not_ready={("openai", ""): "private"}), "not_ready", None, id="address refused"),
        pytest.param(Health(spent=frozenset({"provider:openai"})), "budget", None, id="budget spent"),
    ],
)
def test_what_is_not_available_is_skipped_with_its_reason_and_its_end(health, reason, until):
    found = made("vibe_coding", health)
    assert order(found) == ["sonnet"]
    skipped = next(each for each in found.skipped if each.model == "codex")
    assert (skipped.reason, skipped.until) == (reason, until)
    assert found.candidates[0].role is Role.FALLBACK, "a later step is a fallback even when it is tried first"


def test_a_cooldown_that_is_over_counts_no_more():
    over = Health(
        cooldowns={("openai", "main", "codex"): Rest(NOW)}, quotas={"codex-cli": Rest(NOW - timedelta(days=1))}
    )
    assert order(made("vibe_coding", over)) == ["codex", "sonnet"]


def test_a_quota_is_its_own_pool():
    exhausted = Health(quotas={"codex-code-review": Rest(LATER)})
    assert order(made("vibe_coding", exhausted)) == ["codex", "sonnet"]


def test_a_second_credential_serves_while_the_first_cools():
    there = table(credentials=(OAUTH, API_KEY))
    found = made("vibe_coding", Health(cooldowns={("openai", "login", "codex"): Rest(LATER)}), there)
    assert (found.candidates[0].model, found.candidates[0].credential) == ("codex", "main")


def test_the_holder_of_the_probe_may_call_a_model_whose_circuit_is_open():
    probe = Health(circuits={("openai", "codex"): Broken(LATER, has_probe=True)})
    assert order(made("vibe_coding", probe)) == ["codex", "sonnet"]


@pytest.mark.parametrize(
    ("ask", "reason"),
    [
        pytest.param(Ask("heartbeat", needs=frozenset({"images"})), "unsupported", id="cannot see images"),
        pytest.param(Ask("heartbeat", size=40_000), "window_too_small", id="window"),
        pytest.param(Ask("heartbeat", size=20_000, max_tokens=20_000), "window_too_small", id="window with the answer"),
        pytest.param(Ask("heartbeat", allowed_models=frozenset({KEYS["opus"]})), "not_allowed", id="client's list"),
        pytest.param(Ask("heartbeat", author=KEYS["local"]), "same_as_author", id="author"),
    ],
)
def test_what_a_model_cannot_or_must_not_do_is_said(ask, reason):
    assert why(made(ask), "local") == reason


def test_a_retired_model_is_not_called_any_more():
    models = {**table().models, KEYS["codex"]: replace(table().models[KEYS["codex"]], retire_at=date(2026, 11, 22))}
    assert why(made("vibe_coding", in_table=table(models=models)), "codex") == "retired"


def test_a_chat_model_never_serves_embeddings():
    tasks = {"vibe_coding": TaskType("vibe_coding", kind=TaskKind.EMBEDDING)}
    assert why(made("vibe_coding", in_table=table(task_types=tasks)), "codex") == "wrong_kind"


@pytest.mark.parametrize(
    ("author", "first"), [("sonnet", "codex"), ("opus", "codex"), ("codex", "sonnet"), ("gpt-5.2", "sonnet")]
)
def test_a_review_goes_to_the_opposite_of_its_author(author, first):
    assert order(made(Ask("code_generation", author=KEYS[author])))[0] == first


def _usage(percent, provider="anthropic", window="weekly"):
    return Reading(provider, window, percent, read_at=NOW - timedelta(minutes=1))


@pytest.mark.parametrize(
    ("percent", "first"),
    [(10, "opus"), (79.9, "opus"), (80, "sonnet"), (92, "sonnet"), (96, "codex"), (100, "gemini-flash")],
)
def test_the_curve_puts_the_first_allowed_model_in_the_place_of_a_removed_one(percent, first):
    found = made("complex_reasoning", Health(readings=(_usage(percent),)), table(curve=CURVE))
    assert order(found)[0] == first
    assert "gpt-4o" in order(found), "the curve does not name it"
    if first != "opus":
        assert why(found, "opus") == "degraded"
        assert found.candidates[0].role is Role.FALLBACK


@pytest.mark.parametrize(("percent", "first"), [(10, "sonnet"), (96, "gemini-flash")])
def test_exhausted_codex_gives_way_to_sonnet_and_at_96_percent_to_gemini(percent, first):
    health = Health(readings=(_usage(percent),), quotas={"codex-cli": Rest(LATER)})
    assert order(made("vibe_coding", health, table(curve=CURVE)))[0] == first


def test_the_highest_window_of_any_provider_decides():
    readings = (_usage(10, window="5h"), _usage(96, provider="openai"))
    assert order(made("complex_reasoning", Health(readings=readings), table(curve=CURVE)))[0] == "codex"


def test_unknown_usage_allows_or_degrades_as_the_curve_says():
    stale = Health(readings=(replace(_usage(96), read_at=NOW - timedelta(days=1)),))
    assert order(made("complex_reasoning", stale, table(curve=CURVE)))[0] == "opus"
    careful = replace(CURVE, steps=CURVE.steps[1:], degrades_when_unknown=True)
    assert order(made("complex_reasoning", stale, table(curve=careful)))[0] == "sonnet"


def test_a_user_override_stands_above_the_curve():
    health = Health(readings=(_usage(100),))
    assert order(made(Ask("vibe_coding", override="opus"), health, table(curve=CURVE)))[0] == "opus"


def test_a_local_model_at_the_end_means_that_nothing_hits_zero():
    route = Route("vibe_coding", steps("codex sonnet"), terminal_local=True)
    cooling = Health(cooldowns={(provider, "main", ""): Rest(LATER) for provider in ("openai", "anthropic", "gemini")})
    found = made("vibe_coding", cooling, table(route))
    assert order(found) == ["local"]
    assert found.candidates[0].role is Role.FALLBACK


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ("codex", ["codex", "gemini-pro", "opus", "gpt-5.2", "gemini-flash", "codex"]),
        ("opus", ["opus", "codex", "gemini-pro", "sonnet", "gpt-5.2", "opus"]),
        ("gemini-pro", ["gemini-pro", "codex", "opus", "gemini-flash", "gpt-5.2", "gemini-pro"]),
    ],
)
def test_the_tier_chain_is_the_seeds(first, expected):
    route = Route("vibe_coding", steps(first), tier_chain=True)
    there = table(route, credentials=(OAUTH, API_KEY))
    found = made("vibe_coding", in_table=there)
    assert order(found) == expected
    assert [candidate.credential for candidate in found.candidates] == ["login"] * 5 + ["main"]


def test_a_routes_own_rotation_stands_above_the_providers():
    route = Route("vibe_coding", steps("codex"), tier_chain=True, rotation=("anthropic", "openai", "gemini"))
    there = table(route, credentials=(OAUTH, API_KEY))
    assert order(made("vibe_coding", in_table=there)) == ["codex", "opus", "gemini-pro", "gpt-5.2", "sonnet", "codex"]


@pytest.mark.parametrize(
    ("hops", "lower"),
    [(0, []), (1, ["gpt-5.2"]), (2, ["gpt-5.2", "gemini-flash"]), (None, ["gpt-5.2", "gemini-flash", "sonnet"])],
)
def test_the_chain_takes_as_many_hops_of_the_lower_tier_as_the_route_says(hops, lower):
    route = Route("vibe_coding", steps("codex"), tier_chain=True, lower_tier_max_hops=hops)
    there = table(route, credentials=(OAUTH, API_KEY))
    assert order(made("vibe_coding", in_table=there)) == ["codex", "gemini-pro", "opus", *lower, "codex"]


def test_without_an_api_key_the_chain_lacks_its_last_hop():
    route = Route("vibe_coding", steps("codex"), tier_chain=True)
    there = table(route, credentials=(OAUTH,))
    assert order(made("vibe_coding", in_table=there)) == ["codex", "gemini-pro", "opus", "gpt-5.2", "gemini-flash"]


TRIAL = Exploration(1, "code_generation", 0.1, steps("haiku gpt-5.2"), date(2026, 11, 20), date(2026, 11, 30))


def _exploring(trial=TRIAL, **parts):
    return table(explorations={"code_generation": trial}, **parts)


def test_the_shares_are_of_the_primary_and_of_the_challengers_that_policy_would_not_skip():
    found = made("code_generation", in_table=_exploring())
    assert dict(found.shares) == {"anthropic:haiku": 0.05, "openai:gpt-5.2": 0.05, "anthropic:sonnet": 0.9}
    assert {candidate.role for candidate in found.challengers} == {Role.EXPLORE}
    cooling = Health(cooldowns={("openai", "main", "gpt-5.2"): Rest(LATER)})
    assert dict(made("code_generation", cooling, _exploring()).shares) == {
        "anthropic:haiku": 0.05,
        "anthropic:sonnet": 0.95,
    }


@pytest.mark.parametrize(
    ("ask", "health", "trial"),
    [
        pytest.param(Ask("code_generation", override="sonnet"), Health(), TRIAL, id="override"),
        pytest.param(
            Ask("code_generation"), Health(circuits={("anthropic", "sonnet"): Broken(LATER)}), TRIAL, id="primary out"
        ),
    ],
)
def test_nothing_is_drawn_when_the_primary_is_not_tried_first(ask, health, trial):
    assert made(ask, health, _exploring(trial)).shares == ()


@pytest.mark.parametrize(
    ("ask", "trial"),
    [
        pytest.param(Ask("code_generation", background=True), TRIAL, id="background"),
        pytest.param(Ask("code_generation"), replace(TRIAL, until=date(2026, 11, 21)), id="ended"),
        pytest.param(Ask("code_generation"), replace(TRIAL, starts_on=date(2026, 11, 23)), id="not yet"),
    ],
)
def test_without_a_budget_in_force_the_primary_has_probability_one(ask, trial):
    assert made(ask, in_table=_exploring(trial)).shares == (("anthropic:sonnet", 1.0),)


@settings(max_examples=300, deadline=None)
@given(tables(), asks(), healths())
def test_every_plan_is_sound(there, ask, health):
    """Never a candidate twice, never one that is not ready, every known model in exactly one list, the same again."""
    found = made(ask, health, there)
    tried = [(each.key, each.credential) for each in found.candidates]
    assert len(tried) == len(set(tried))
    named = {each.key for each in found.candidates}
    skipped = [each.key for each in found.skipped]
    assert len(skipped) == len(set(skipped))
    assert named.isdisjoint(skipped)
    assert named | set(skipped) == set(there.models)
    for each in found.candidates:
        assert (each.provider, "") not in health.not_ready
        assert (each.provider, each.credential or "") not in health.not_ready
        for model in (each.model, ""):
            rest = health.cooldowns.get((each.provider, each.credential or "", model))
            assert rest is None or not rest.holds(NOW)
        broken = health.circuits.get((each.provider, each.model))
        assert broken is None or broken.has_probe
        assert not (ask.background and there.models[each.key].interactive_only)
        assert ask.allowed_models is None or each.key in ask.allowed_models
    assert not found.shares or abs(sum(share for _, share in found.shares) - 1) < 1e-9
    again = made(ask, health, there)
    assert again == found
    if ask.fallback == "none":
        assert len(found.candidates) <= 1


def test_every_route_of_the_seeds_plans():
    for task, slugs in ROUTES.items():
        assert order(made(task)) == slugs.split()
