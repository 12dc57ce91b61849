"""The decisions that the table rests on, one test each: where the seeds disagreed, these decide."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from django.test import Client

from routing import snapshot
from routing.dispatch import Refused
from routing.policy.health import Health, Reading, Rest
from routing.policy.plan import plan
from routing.terms.fault import Fault
from routing.terms.request import Ask
from routing.terms.words import CredentialKind, ErrorKind
from tests.routing.capabilities.seeds import models, rate_limit, skipped, take_down, with_keys


def upstream(key):
    return snapshot.current().table.models[key].upstream_id


def test_1_an_override_stands_above_policy_above_project_above_global_above_curve_above_health(seeds):
    seeds.publish(
        projects=[{"slug": "x", "name": "X"}],
        routes=[{"task_type": "complex_reasoning", "project": "x", "steps": ["anthropic:sonnet", "openai:codex"]}],
    )
    assert seeds.explain("strategy")["source"] == "global"
    assert seeds.explain("strategy", project="x")["source"] == "project", "project over global"
    overridden = seeds.explain("strategy", project="x", override="opus")
    assert (models(overridden)[0], overridden["source"]) == ("opus", "override"), "the user over the project"
    governed = seeds.explain("strategy", project="x", override="opus", background=True)
    assert skipped(governed, "opus")["reason"] == "interactive_only", "policy over the user's wish"
    seeds.health(readings=(Reading("anthropic", "weekly", 96.0, datetime.now(UTC)),))
    assert models(seeds.explain("strategy", override="opus"))[0] == "opus", "the user over the curve"
    degraded = seeds.explain("strategy", project="x")
    assert (models(degraded)[0], skipped(degraded, "sonnet")["reason"]) == ("codex", "degraded"), (
        "the curve over the route"
    )
    rate_limit("openai:codex")
    rested = seeds.explain("strategy", project="x")
    assert (models(rested)[0], skipped(rested, "codex")["reason"]) == ("gemini-flash", "cooldown")


def test_2_an_override_replaces_the_primary_and_the_routes_fallbacks_follow_unless_the_caller_says_none(seeds):
    assert models(seeds.explain("meeting_summary", override="codex")) == ["codex", "opus"]
    assert models(seeds.explain("code_generation", override="codex")) == ["codex", "sonnet"], "a step only comes first"
    alone = seeds.explain("meeting_summary", override="codex", fallback="none")
    assert models(alone) == ["codex"]
    assert skipped(alone, "opus")["reason"] == "fallback_off"


@pytest.mark.parametrize("task", ["content_drafting", "bulk_ops", "security_audit"])
async def test_3_a_dash_means_one_attempt_then_the_error(scripted, task):
    primary = snapshot.current().plan(Ask(task), datetime.now(UTC)).candidates[0]
    scripted.adapter.script[primary.upstream_id] = Fault(ErrorKind.SERVER, "500", http_status=500)
    with pytest.raises(Refused) as refused:
        await scripted.dispatch(task)
    assert (refused.value.status, len(refused.value.attempts)) == (502, 1)


def test_4_summaries_go_to_sonnet_and_background_summaries_to_gemini(seeds):
    assert models(seeds.explain("summary"))[0] == "sonnet"
    told = seeds.explain("background_summary")
    assert models(told)[0] == "gemini-flash"
    assert skipped(told, "opus")["reason"] == "not_in_route"


RESTS = [
    pytest.param(ErrorKind.RATE_LIMIT, 600, ("openai", "main", "codex"), 600, id="429 with Retry-After"),
    pytest.param(
        ErrorKind.RATE_LIMIT, None, ("openai", "main", "codex"), 300, id="429 without: the route's cooldown_s"
    ),
    pytest.param(ErrorKind.SERVER, 60, ("openai", "main", "codex"), 60, id="503 with Retry-After"),
    pytest.param(ErrorKind.RATE_LIMIT, 86_400, ("openai", "main", "codex"), 3600, id="a day is cut to an hour"),
    pytest.param(ErrorKind.PAYMENT, None, ("openai", "main", ""), 300, id="402: the whole credential"),
]


@pytest.mark.parametrize(("kind", "asked_s", "rests", "seconds"), RESTS)
async def test_5_a_cooldown_rests_a_credential_with_a_model_for_what_retry_after_says(
    scripted, kind, asked_s, rests, seconds
):
    scripted.know(with_keys(snapshot.current().table, CredentialKind.API_KEY))
    scripted.adapter.script[upstream("openai:codex")] = Fault(kind, "no", retry_after_s=asked_s)
    before = datetime.now(UTC)
    await scripted.dispatch("vibe_coding")
    rest = snapshot.current().health.cooldowns[rests]
    assert timedelta(seconds=seconds) <= rest.until - before < timedelta(seconds=seconds + 60)
    assert snapshot.current().health.circuits == {}


async def test_5_a_circuit_opens_at_five_in_a_row_and_nobody_is_tried_twice_in_a_call(scripted):
    scripted.adapter.script[upstream("openai:codex")] = Fault(ErrorKind.SERVER, "500", http_status=500)
    for _ in range(7):
        await scripted.dispatch("vibe_coding")
    assert scripted.adapter.called.count(upstream("openai:codex")) == 5
    assert list(snapshot.current().health.circuits) == [("openai", "codex")]
    assert snapshot.current().health.cooldowns == {}


async def test_5_a_credential_that_was_refused_is_not_ready(scripted):
    scripted.know(with_keys(snapshot.current().table, CredentialKind.API_KEY))
    scripted.adapter.script[upstream("openai:codex")] = Fault(ErrorKind.AUTH, "no such key", http_status=401)
    await scripted.dispatch("vibe_coding")
    found = snapshot.current().plan(Ask("vibe_coding"), datetime.now(UTC))
    codex = next(each for each in found.skipped if each.model == "codex")
    assert (codex.reason, codex.detail) == ("not_ready", "credential main is not ready: 401: no such key")


@pytest.mark.parametrize("kind", [ErrorKind.CLIENT, ErrorKind.CONTENT_POLICY])
async def test_6_a_client_error_never_falls_back_and_never_rests_anybody(scripted, kind):
    scripted.adapter.script[upstream("openai:codex")] = Fault(kind, "your fault", http_status=422, retry_after_s=60)
    with pytest.raises(Refused) as refused:
        await scripted.dispatch("vibe_coding")
    assert (refused.value.status, len(refused.value.attempts)) == (422, 1)
    assert (snapshot.current().health.cooldowns, snapshot.current().health.circuits) == ({}, {})


async def test_6_a_context_that_is_too_long_falls_back_only_to_a_larger_window(scripted):
    too_long = Fault(ErrorKind.CONTEXT_WINDOW, "too long", http_status=400)
    scripted.adapter.script[upstream("anthropic:sonnet")] = too_long  # 1,000,000 tokens
    result = await scripted.dispatch("code_generation")
    assert result.model == "codex", "1,050,000"
    scripted.adapter.script = {upstream("openai:codex"): too_long}
    with pytest.raises(Refused) as refused:
        await scripted.dispatch("vibe_coding")
    assert (refused.value.code, refused.value.message) == ("context_too_long", "too long"), "sonnet's window is smaller"


def test_7_the_seeds_other_names_are_aliases(seeds):
    assert models(seeds.explain("general", override="claude"))[0] == "opus"
    assert models(seeds.explain("general", override="gpt-5.2-codex"))[0] == "codex"


def test_7_a_missing_credential_is_a_configuration_error_that_is_told(seeds):
    seeds.publish(providers=[{"slug": "openai", "kind": "openai"}])
    known = snapshot.current()
    missing = with_keys(known.table)
    found = plan(missing, Ask("vibe_coding"), Health(), datetime.now(UTC))
    codex = next(each for each in found.skipped if each.model == "codex")
    assert (codex.reason, codex.detail) == ("not_ready", "has no credential")


@pytest.mark.parametrize(
    ("today", "warned", "reason"),
    [
        (date(2026, 10, 30), ["sonnet-4.5 is deprecated"], None),  # 31 days before 2026-11-30
        (date(2026, 10, 31), ["sonnet-4.5 retires"], None),
        (date(2026, 11, 29), ["sonnet-4.5 retires"], None),
        (date(2026, 11, 30), ["sonnet-4.5 retired"], "retired"),
    ],
)
def test_8_a_route_that_uses_a_model_within_30_days_of_retiring_warns_and_then_skips_it(seeds, today, warned, reason):
    models_ = [{"provider": "anthropic", "slug": "sonnet-4.5", "deprecated_at": "2026-09-30"}]
    seeds.publish(
        models=models_, routes=[{"task_type": "code_review", "steps": ["anthropic:sonnet-4.5", "openai:codex"]}]
    )
    now = datetime(today.year, today.month, today.day, 12, tzinfo=UTC)
    found = plan(snapshot.current().table, Ask("code_review"), Health(), now)
    assert [each.short for each in found.warnings] == warned
    told = {each.model: each for each in found.skipped}
    if reason is None:
        assert found.candidates[0].model == "sonnet-4.5"
    else:
        assert (told["sonnet-4.5"].reason, told["sonnet-4.5"].detail) == ("retired", "retired on 2026-11-30")
        assert found.candidates[0].model == "codex"


def test_9_a_credential_is_data_of_a_kind_with_its_readiness(seeds):
    there = with_keys(snapshot.current().table, CredentialKind.OAUTH, CredentialKind.API_KEY)
    now = datetime.now(UTC)
    first = plan(there, Ask("vibe_coding"), Health(), now).candidates[0]
    assert (first.credential, first.credential_kind) == ("login", CredentialKind.OAUTH)
    expired = Health(not_ready={("openai", "login"): "expired, sign in again"})
    second = plan(there, Ask("vibe_coding"), expired, now).candidates[0]
    assert (second.model, second.credential, second.credential_kind) == ("codex", "main", CredentialKind.API_KEY)
    rested = replace(expired, cooldowns={("openai", "main", "codex"): Rest(now + timedelta(hours=1))})
    assert plan(there, Ask("vibe_coding"), rested, now).candidates[0].model == "sonnet"


def test_the_error_of_a_call_without_candidates_reads_as_a_sentence(seeds):
    rate_limit("openai:codex", 3600)
    take_down("anthropic:sonnet")
    error = seeds.refused({"task_type": "coding"}, 503, "dispatch")
    moment = r"(\d+ \w+ )?\d\d:\d\d(:\d\d)?"
    assert re.fullmatch(
        rf"Route 'vibe_coding' has no candidate left: openai/codex cooling down until {moment}, "
        rf"anthropic/sonnet circuit open after failures until {moment}\.",
        error["message"],
    )


@pytest.mark.parametrize("scope", ["client:ci", "task:vibe_coding"])
def test_what_a_spent_budget_stops_is_told_by_explain_and_preflight_before_dispatch_refuses_it(seeds, scope):
    seeds.health(spent=frozenset({scope}))
    told = seeds.explain("vibe_coding")
    assert models(told) == []
    assert skipped(told, "codex")["detail"] == f"stopped by the budget of {scope}, which is spent"
    assert seeds.refused({"task_type": "vibe_coding"}, 402, "dispatch")["code"] == "budget_spent"
    answer = Client().get("/api/v1/preflight?task=vibe_coding", headers={"X-Cortex-Key": seeds.key})
    assert (answer.status_code, answer.json()["ok"]) == (409, False)
