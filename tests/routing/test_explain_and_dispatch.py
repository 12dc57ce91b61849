"""What explain says and what dispatch does, in 2,000 random worlds. No database: a process plans by what it knows."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine
from hypothesis import HealthCheck, given, settings

from routing import circuits, queries, snapshot
from routing.dispatch import Refused
from routing.policy import circuit
from routing.policy.health import Health
from routing.policy.table import Table
from routing.terms.candidate import Candidate
from routing.terms.fault import Fault
from routing.terms.record import AttemptRecord
from routing.terms.request import Ask
from routing.terms.words import CredentialKind, ErrorKind, ProviderKind, Role
from tests.routing.dispatching import World, world
from tests.routing.policy.strategies import asks, healths, tables
from tests.routing.policy.worlds import MODELS, NOW

WORLDS = 2000
REFUSALS = {402, 403, 422, 503}  # of the contract: spent, not allowed, nobody is able, nobody to try now


def learn(health: Health) -> Health:
    """Teach the circuits what the health says of cooldowns and circuits, as faults do; returns what PostgreSQL would say."""
    for (provider, credential, model), rest in health.cooldowns.items():
        if rest.until is not None and rest.until > NOW:
            kind = ErrorKind.RATE_LIMIT if model else ErrorKind.PAYMENT
            fault = Fault(kind, "429", retry_after_s=(rest.until - NOW).total_seconds())
            circuits.note(_candidate(provider, model, credential), fault, cooldown_s=300, quota=None, now=NOW)
    for provider, model in health.circuits:
        for _ in range(circuit.IN_A_ROW):
            fault = Fault(ErrorKind.SERVER, "500")
            circuits.note(_candidate(provider, model, ""), fault, cooldown_s=300, quota=None, now=NOW)
    if any(broken.has_probe for broken in health.circuits.values()):
        circuits.claim_probes(NOW + timedelta(minutes=1), alone=True)
    return replace(health, version=-1, cooldowns={}, circuits={})


def _candidate(provider: str, model: str, credential: str) -> Candidate:
    return Candidate(
        provider, model, model, ProviderKind.OPENAI, credential or None, CredentialKind.API_KEY, Role.PRIMARY, ""
    )


@pytest.fixture
def dispatching(monkeypatch: pytest.MonkeyPatch) -> World:
    return world(monkeypatch)


async def end_of(dispatching: World, ask: Ask) -> Refused | None:
    """How one dispatch of the ask ended: None with an answer."""
    try:
        await dispatching.dispatch(ask)
    except Refused as refused:
        return refused
    return None


def begin(dispatching: World, there: Table, health: Health, *, all_fail: bool) -> None:
    """A new process that knows this table and this health."""
    snapshot.forget()
    dispatching.know(there, learn(health))
    fault = Fault(ErrorKind.SERVER, "500", http_status=500)
    dispatching.adapter.script = {model.upstream_id: fault for model in MODELS} if all_fail else {}


@settings(max_examples=WORLDS, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(there=tables(), ask=asks(), health=healths())
def test_the_first_candidate_of_explain_is_the_first_attempt_of_dispatch(dispatching, there, ask, health):
    with time_machine.travel(NOW, tick=False), asyncio.Runner() as runner:
        begin(dispatching, there, health, all_fail=False)
        said = queries.explain(ask)
        refused = runner.run(end_of(dispatching, ask))
        attempts = dispatching.journal.outcomes[-1].attempts
    named = [(each["provider"], each["model"], each["credential_kind"], each["role"]) for each in said["candidates"]]
    assert (refused is None) == (len(attempts) == 1) == bool(named), "whoever is asked first answers"
    if refused is not None:
        assert refused.status in REFUSALS
    elif len(said["shares"]) > 1:
        assert f"{attempts[0].provider}:{attempts[0].model}" in said["shares"], "an arm is drawn"
    else:
        assert (*_named(attempts[0]), attempts[0].role) == named[0]


@settings(max_examples=WORLDS // 8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(there=tables(), ask=asks(), health=healths())
def test_when_all_fail_each_candidate_was_tried_once_in_order_or_is_named_with_its_reason(
    dispatching, there, ask, health
):
    there = replace(there, explorations={})
    with time_machine.travel(NOW, tick=False), asyncio.Runner() as runner:
        begin(dispatching, there, health, all_fail=True)
        named = [
            (each["provider"], each["model"], each["credential_kind"]) for each in queries.explain(ask)["candidates"]
        ]
        refused = runner.run(end_of(dispatching, ask))
    tried = [_named(each) for each in dispatching.journal.outcomes[-1].attempts]
    assert refused is not None
    left_out = {(each["provider"], each["model"]) for each in refused.details.get("skipped", ()) if tried}
    assert tried == [each for each in named if each in tried]
    assert [each for each in named if each not in tried and each[:2] not in left_out] == []
    assert refused.status == 502 if tried else refused.status in REFUSALS


def _named(attempt: AttemptRecord) -> tuple[str, str, CredentialKind]:
    return attempt.provider, attempt.model, attempt.credential_kind
