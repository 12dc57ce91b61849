"""One call through the attempt loop: what falls back, what rests, what is written, what the caller is told.

Over 300 lines: one loop, from its first candidate to its last, over one world.
"""

import asyncio
import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from routing import circuits, dispatch, limits, recorder, snapshot
from routing.budgets import Payer, Unpaid
from routing.dispatch import Refused, paying
from routing.dispatch.lineup import Lineup
from routing.policy.circuit import Circuit
from routing.policy.health import Broken, Health, Rest
from routing.policy.table import Exploration, Route
from routing.terms.fault import Fault
from routing.terms.request import Ask, Timeouts
from routing.terms.words import BudgetAction, CircuitState, ErrorKind, Role, Status
from tests.routing.dispatching import CALLER, REQUEST, World, world
from tests.routing.policy.worlds import KEYS, steps, table

MODELS = {"codex": "gpt-codex", "sonnet": "claude-sonnet", "local": "qwen", "opus": "claude-opus", "gpt-4o": "gpt-4o"}
SOON = datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> World:
    return world(monkeypatch)


def fault(kind, **parts):
    return Fault(kind, f"{kind} happened", **parts)


async def test_the_primary_answers_and_all_of_it_is_written(there):
    result = await there.dispatch("vibe_coding", session="s1", metadata={"pr": "7"})
    assert (result.model, result.answer.output, result.reason) == (
        "codex",
        "from gpt-codex",
        "route: vibe_coding → codex",
    )
    assert (result.used_fallback, result.revision, str(result.cost_usd)) == (
        False,
        7,
        "0.0030000000",
    )  # 1000·2 + 100·10
    intent, outcome = there.journal.intents[0], there.journal.outcomes[0]
    assert (intent.id, outcome.id) == (result.request_id, result.request_id)
    assert (intent.role, intent.propensity, intent.shares, intent.draw) == (Role.PRIMARY, 1.0, "", None)
    assert (intent.routed_model, intent.candidates) == ("openai:codex", ("openai:codex", "anthropic:sonnet"))
    assert (intent.session, intent.metadata, intent.client, intent.key_prefix) == ("s1", {"pr": "7"}, "ci", "ck_test")
    assert outcome.status is Status.OK
    assert [each.price for each in outcome.attempts] == ["override 1"]


FALLS_BACK = [
    ErrorKind.CONNECT,
    ErrorKind.TIMEOUT,
    ErrorKind.RATE_LIMIT,
    ErrorKind.SERVER,
    ErrorKind.MALFORMED,
    ErrorKind.TRUNCATED,
    ErrorKind.AUTH,
    ErrorKind.PAYMENT,
    ErrorKind.CONFIG,
]
ENDS = [ErrorKind.CLIENT, ErrorKind.CONTENT_POLICY]


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("kind", [*FALLS_BACK, *ENDS])
async def test_errors_by_position(there, kind, position):
    """A chain of three: those before `position` fail with a 500, the one at it with the error in question."""
    there.know(table(Route("vibe_coding", steps("codex sonnet local"))))
    chain = [MODELS[slug] for slug in ("codex", "sonnet", "local")]
    for place in range(position):
        there.adapter.script[chain[place]] = fault(ErrorKind.SERVER, http_status=500)
    there.adapter.script[chain[position]] = fault(kind, http_status=422 if kind in ENDS else None)
    if kind in ENDS or position == 2:
        with pytest.raises(Refused) as refused:
            await there.dispatch()
        assert refused.value.status == (422 if kind in ENDS else 502)
        assert there.adapter.called == chain[: position + 1], "nobody after it was asked"
        assert [each.error_kind for each in refused.value.attempts][-1] is kind
        assert there.journal.outcomes[0].status is Status.ERROR
    else:
        result = await there.dispatch()
        assert result.answer.output == f"from {chain[position + 1]}"
        assert result.used_fallback
        assert there.adapter.called == chain[: position + 2], "no candidate twice"
        assert [then for _, then in there.journal.fallbacks] == list(
            there.journal.intents[0].candidates[1 : position + 2]
        )


async def test_a_fallback_is_told_with_its_reason(there):
    there.adapter.script["gpt-codex"] = fault(ErrorKind.RATE_LIMIT, http_status=429)
    result = await there.dispatch()
    assert result.reason == "route: vibe_coding → codex; fallback → sonnet (codex: rate_limit)"
    first, second = result.attempts
    assert (first.role, first.propensity, second.role, second.propensity) == (Role.PRIMARY, 1.0, Role.FALLBACK, None)
    assert str(result.cost_usd) == "0.0030000000", "a failed attempt without usage costs nothing"


async def test_too_long_a_context_goes_only_to_a_larger_window(there):
    there.know(table(Route("vibe_coding", steps("codex sonnet gemini-pro"))))
    there.adapter.script["gpt-codex"] = fault(ErrorKind.CONTEXT_WINDOW, http_status=400)
    result = await there.dispatch()
    assert there.adapter.called == ["gpt-codex", "gemini-pro"], "sonnet's window is the smaller one"
    assert result.model == "gemini-pro"


async def test_too_long_for_all_is_the_callers_error(there):
    there.adapter.script["gpt-codex"] = fault(ErrorKind.CONTEXT_WINDOW, http_status=400)
    with pytest.raises(Refused) as refused:
        await there.dispatch()
    assert (refused.value.status, refused.value.code) == (400, "context_too_long")
    assert there.adapter.called == ["gpt-codex"]


async def test_a_rate_limited_primary_cools_down_for_the_time_it_asked_for(there):
    there.adapter.script["gpt-codex"] = fault(ErrorKind.RATE_LIMIT, retry_after_s=600)
    before = datetime.now(UTC)
    await there.dispatch()
    until = snapshot.current().health.cooldowns["openai", "main", "codex"].until
    assert timedelta(seconds=600) <= until - before < timedelta(seconds=610)
    there.adapter.called.clear()
    result = await there.dispatch()
    assert there.adapter.called == ["claude-sonnet"], "the next call does not ask it"
    assert (result.used_fallback, result.attempts[0].role, result.attempts[0].propensity) == (True, Role.FALLBACK, None)
    assert "codex: cooling down until" in result.reason


async def test_a_shorter_rest_never_ends_a_longer_one(there):
    candidate = snapshot.current().plan(Ask("vibe_coding"), datetime.now(UTC)).candidates[0]
    now = datetime.now(UTC)
    for asked in (600.0, 5.0):
        circuits.note(candidate, fault(ErrorKind.RATE_LIMIT, retry_after_s=asked), cooldown_s=300, quota=None, now=now)
    assert circuits.cooldowns()["openai", "main", "codex"].until == now + timedelta(seconds=600)


async def test_five_failures_open_the_circuit_and_the_model_is_left_alone(there):
    there.adapter.script["gpt-codex"] = fault(ErrorKind.SERVER, http_status=500)
    for _ in range(8):
        await there.dispatch()
    assert there.adapter.called.count("gpt-codex") == 5
    assert ("openai", "codex") in snapshot.current().health.circuits


async def test_a_refused_credential_is_not_used_again(there):
    there.adapter.script["gpt-codex"] = fault(ErrorKind.AUTH, http_status=401)
    await there.dispatch()
    await there.dispatch()
    assert there.adapter.called.count("gpt-codex") == 1
    assert snapshot.current().health.not_ready["openai", "main"].startswith("401")


@pytest.mark.parametrize("kind", [ErrorKind.AUTH, ErrorKind.PAYMENT])
async def test_a_credential_that_was_just_refused_is_not_used_again_in_the_same_call(there, kind):
    there.know(table(Route("vibe_coding", steps("opus sonnet codex"))))
    there.adapter.script["claude-opus"] = fault(kind, http_status=401)
    result = await there.dispatch()
    assert there.adapter.called == ["claude-opus", "gpt-codex"], "sonnet shares the credential of opus"
    assert result.model == "codex"


async def test_whoever_is_left_out_on_the_way_is_told_with_the_reason(there):
    there.know(table(Route("vibe_coding", steps("codex opus sonnet"))))
    there.adapter.script["gpt-codex"] = fault(ErrorKind.SERVER, http_status=500)
    there.adapter.script["claude-opus"] = fault(ErrorKind.AUTH, http_status=401)
    with pytest.raises(Refused) as refused:
        await there.dispatch()
    assert (refused.value.status, refused.value.code) == (502, "all_candidates_failed")
    assert "Not tried: anthropic/sonnet shares the credential" in refused.value.message
    assert [each["model"] for each in refused.value.details["skipped"]] == ["sonnet"]


async def test_the_last_candidate_is_never_dropped_in_silence(there):
    """Its circuit is open, and another call has just taken the probe that the plan was counting on."""
    there.know(table(Route("vibe_coding", steps("codex"))))
    there.adapter.script["gpt-codex"] = fault(ErrorKind.SERVER, http_status=500)
    for _ in range(5):
        with pytest.raises(Refused):
            await there.dispatch()
    circuits.claim_probes(datetime.now(UTC) + timedelta(minutes=10), alone=True)
    circuits.want_probe(("openai", "codex"))
    gate = there.adapter.script["gpt-codex"] = asyncio.Event()
    known = snapshot.current()
    early = known.plan(Ask("vibe_coding"), datetime.now(UTC))
    probe = asyncio.create_task(there.dispatch())
    await there.adapter.waiting.wait()
    left = Lineup(known.table, early.candidates, 0)
    assert list(left) == []
    assert [(each.key, each.reason) for each in left.left_out] == [("openai:codex", "circuit_open")]
    with pytest.raises(Refused) as refused:
        await there.dispatch()
    assert (refused.value.status, refused.value.code) == (503, "no_candidate")
    assert "openai/codex circuit open after failures" in refused.value.message
    gate.set()
    assert (await probe).model == "codex"


async def test_a_providers_spent_budget_is_402_when_nobody_else_is_left(there):
    there.know(health=Health(version=circuits.version(), spent=frozenset({"provider:anthropic"})))
    with pytest.raises(Refused) as refused:
        await there.dispatch("content_drafting")
    assert (refused.value.status, refused.value.code) == (402, "budget_spent")
    assert refused.value.message == (
        "Route 'content_drafting' has no candidate left: "
        "anthropic/sonnet stopped by the budget of provider:anthropic, which is spent."
    )


async def test_only_the_circuits_that_stood_in_its_way_are_probed_for_a_call(there):
    for slug in ("codex", "haiku"):
        provider = KEYS[slug].partition(":")[0]
        circuits._shared.circuits[provider, slug] = Circuit(CircuitState.OPEN, 5, 1, SOON)
    circuits._shared.version += 1
    await there.dispatch()
    assert circuits._shared.wanted == {("openai", "codex")}, "no step of the route waits for haiku"


@pytest.mark.parametrize("kind", [ErrorKind.CLIENT, ErrorKind.CONTENT_POLICY, ErrorKind.CONTEXT_WINDOW])
async def test_a_callers_error_rests_nobody(there, kind):
    there.adapter.script["gpt-codex"] = fault(kind, http_status=400, retry_after_s=60)
    for _ in range(6):
        with pytest.raises(Refused):
            await there.dispatch(Ask("vibe_coding", fallback="none"))
    assert there.adapter.called.count("gpt-codex") == 6
    assert not snapshot.current().health.cooldowns
    assert not snapshot.current().health.circuits


async def test_the_providers_own_words_reach_the_caller(there):
    body = {"error": {"type": "invalid_request_error", "message": "bad tool"}}
    there.adapter.script["gpt-codex"] = fault(ErrorKind.CLIENT, http_status=422, body=body)
    with pytest.raises(Refused) as refused:
        await there.dispatch()
    assert (refused.value.status, refused.value.details["provider_error"]) == (422, body)


async def test_when_all_rest_the_caller_is_told_when_to_come_back(there):
    until = datetime.now(UTC) + timedelta(seconds=90)
    there.know(health=Health(cooldowns={(p, "main", ""): Rest(until) for p in ("openai", "anthropic")}))
    circuits._shared.cooldowns.update({(p, "main", ""): Rest(until) for p in ("openai", "anthropic")})
    snapshot._current = replace(snapshot._current, health=replace(snapshot._current.health, version=-1))
    with pytest.raises(Refused) as refused:
        await there.dispatch()
    assert (refused.value.status, refused.value.code, refused.value.retryable) == (503, "no_candidate", True)
    assert 85 <= refused.value.retry_after_s <= 90
    assert re.search(r"anthropic/sonnet cooling down until \d\d:\d\d", refused.value.message)
    outcome = there.journal.outcomes[0]
    assert (outcome.status, outcome.attempts) == (Status.BLOCKED, ())


async def test_a_model_that_no_client_may_use_is_403(there):
    with pytest.raises(Refused) as refused:
        await there.dispatch(Ask("content_drafting", allowed_models=frozenset({KEYS["opus"]})))
    assert (refused.value.status, refused.value.code) == (403, "model_not_allowed")


async def test_what_no_model_of_the_route_can_do_is_422(there):
    there.know(table(Route("vibe_coding", steps("local"))))
    with pytest.raises(Refused) as refused:
        await there.dispatch(Ask("vibe_coding", needs=frozenset({"images"})))
    assert (refused.value.status, refused.value.code) == (422, "no_able_model")


async def test_a_spent_budget_is_402_before_any_provider(there):
    there.know(health=Health(version=circuits.version(), spent=frozenset({"client:ci"})))
    with pytest.raises(Refused) as refused:
        await there.dispatch()
    assert refused.value.status == 402
    assert there.adapter.called == []


async def test_the_callers_deadline_is_504_and_nobodys_fault(there):
    there.adapter.script["gpt-codex"] = asyncio.Event()
    with pytest.raises(Refused) as refused:
        await there.dispatch(timeout_s=0.02)
    assert (refused.value.status, refused.value.attempts[0].error_kind) == (504, ErrorKind.DEADLINE)
    assert circuits._shared.circuits == {}


async def test_a_client_that_goes_away_cancels_the_provider_and_cools_nobody(there):
    there.adapter.script["gpt-codex"] = asyncio.Event()
    task = asyncio.create_task(there.dispatch())
    await there.adapter.waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert there.adapter.cancelled == ["gpt-codex"]
    outcome = there.journal.outcomes[0]
    assert (outcome.status, outcome.attempts[0].status) == (Status.CANCELLED, Status.CANCELLED)
    assert circuits._shared.circuits == {}


async def test_a_full_provider_does_not_hold_up_another(there):
    there.know(capacity={"openai": (1, None)})
    gate = there.adapter.script["gpt-codex"] = asyncio.Event()
    busy = [asyncio.create_task(there.dispatch()) for _ in range(2)]  # one on its way, one waiting
    await there.adapter.waiting.wait()
    result = await there.dispatch()
    assert result.model == "sonnet"
    with pytest.raises(Refused) as refused:
        await there.dispatch(Ask("vibe_coding", fallback="none"))
    assert (refused.value.status, refused.value.code, refused.value.retry_after_s) == (503, "overloaded", 1)
    gate.set()
    assert [each.model for each in await asyncio.gather(*busy)] == ["codex", "codex"]


async def test_a_disk_that_is_full_stops_the_call_before_the_provider(there, monkeypatch):
    def full(intent):
        raise recorder.Full("no room")

    monkeypatch.setattr(recorder, "start", full)
    with pytest.raises(Refused) as refused:
        await there.dispatch()
    assert (refused.value.status, there.adapter.called) == (503, [])
    limited = replace(CALLER, client="limited", tokens_per_minute=5_000)
    with pytest.raises(Refused):
        await dispatch.dispatch(Ask("vibe_coding", size=100, max_tokens=100), REQUEST, limited)
    left, _ = limits.room("limited", limits.Measure.TOKENS, 5_000, time.time())
    assert left == 5_000, "a call that is not made uses none of its client's tokens"


async def test_only_the_holder_of_the_probe_calls_a_model_whose_circuit_is_open(there):
    there.adapter.script["gpt-codex"] = fault(ErrorKind.SERVER, http_status=500)
    for _ in range(5):
        await there.dispatch()
    later = datetime.now(UTC) + timedelta(seconds=30)
    await there.dispatch()
    circuits.claim_probes(later, alone=True)
    there.adapter.called.clear()
    there.adapter.script["gpt-codex"] = gate = asyncio.Event()
    probe = asyncio.create_task(there.dispatch())
    await there.adapter.waiting.wait()
    assert (await there.dispatch()).model == "sonnet", "one probe only"
    gate.set()
    assert (await probe).model == "codex"
    assert (await there.dispatch()).model == "codex", "its success closed the circuit"


@pytest.mark.parametrize("action", [BudgetAction.BLOCK, BudgetAction.DEGRADE])
@pytest.mark.parametrize("goes_away", [False, True])
async def test_a_probe_that_nobody_pays_for_is_given_back(there, monkeypatch, action, goes_away):
    """Else the model would stay out of use until the probe's lease ends, and as long as such calls come."""
    there.adapter.script["gpt-codex"] = fault(ErrorKind.SERVER, http_status=500)
    for _ in range(5):
        await there.dispatch()
    payer = Payer(1, "client:ci", action, Decimal(1), counts_simulated=True)
    monkeypatch.setattr(snapshot, "_current", replace(snapshot.current(), payers={payer.scope: payer}))
    asked = asyncio.Event()

    async def pay(known, intent, candidate, writes, degraded):
        asked.set()
        if goes_away:
            await asyncio.Event().wait()
        raise Unpaid(payer, Decimal(2), None)

    monkeypatch.setattr(paying, "pay", pay)
    circuits.want_probe(("openai", "codex"))
    circuits.claim_probes(datetime.now(UTC) + timedelta(seconds=30), alone=True)
    call = asyncio.create_task(there.dispatch(Ask("vibe_coding", override="openai:codex", fallback="none")))
    await asked.wait()
    if goes_away:
        call.cancel()
    await asyncio.wait([call])
    assert call.cancelled() is goes_away
    assert circuits.shared.here.circuits["openai", "codex"].state is CircuitState.OPEN


async def test_a_second_opinion_comes_from_another_provider_and_never_hurts(there):
    result = await there.dispatch(second_opinion=True)
    assert (result.model, result.second_opinion.attempt.model) == ("codex", "sonnet")
    assert [each.role for each in result.attempts] == [Role.PRIMARY, Role.SECOND_OPINION]
    there.adapter.script["claude-sonnet"] = fault(ErrorKind.SERVER)
    failed = await there.dispatch(second_opinion=True)
    assert (failed.answer.output, failed.second_opinion.answer) == ("from gpt-codex", None)
    assert failed.reason == "route: vibe_coding → codex"


async def test_an_unpriced_model_has_no_cost(there):
    there.know(table(Route("vibe_coding", steps("gemini-flash"))))
    result = await there.dispatch()
    assert (result.cost_usd, result.attempts[0].price) == (None, "")


async def test_a_session_keeps_its_arm_and_the_draw_is_logged(there):
    today = datetime.now(UTC).date()
    trial = Exploration(1, "vibe_coding", 0.5, steps("haiku"), today, today)
    there.know(table(explorations={"vibe_coding": trial}))
    for _ in range(6):
        for session in ("a", "b", "c", "d", "e", "f", "g", "h"):
            await there.dispatch(session=session)
    arms = {
        session: {each.routed_model for each in there.journal.intents if each.session == session}
        for session in "abcdefgh"
    }
    assert all(len(models) == 1 for models in arms.values())
    assert {model for models in arms.values() for model in models} == {"openai:codex", "anthropic:haiku"}
    intent = there.journal.intents[0]
    assert intent.shares == "anthropic:haiku=0.5|openai:codex=0.5"
    assert intent.propensity == 0.5
    assert (intent.role is Role.EXPLORE) == (intent.draw < 0.5)


async def test_the_routes_total_bounds_the_whole_call(there):
    route = Route("vibe_coding", steps("codex sonnet"), timeouts=Timeouts(total_s=0.02))
    there.know(table(route))
    there.adapter.script["gpt-codex"] = asyncio.Event()
    with pytest.raises(Refused) as refused:
        await there.dispatch()
    assert refused.value.status == 504


async def test_before_the_table_was_read_a_call_is_told_to_come_back(there):
    snapshot._current = None
    with pytest.raises(Refused) as refused:
        await there.dispatch()
    assert (refused.value.status, refused.value.code) == (503, "not_ready")


async def test_a_plan_is_remembered_until_something_in_it_changes(there):
    known = snapshot.current()
    now = datetime.now(UTC)
    assert known.plan(Ask("vibe_coding", size=10), now) is known.plan(Ask("vibe_coding", size=20), now)
    assert known.plan(Ask("vibe_coding", size=300_000), now) is not known.plan(Ask("vibe_coding", size=20), now)
    there.know(health=Health(version=circuits.version(), circuits={("openai", "codex"): Broken(SOON)}))
    known = snapshot.current()
    early, late = known.plan(Ask("vibe_coding"), now), known.plan(Ask("vibe_coding"), SOON + timedelta(seconds=1))
    assert early is not late
