"""Which budgets pay for an attempt, and how much is held for it."""

from dataclasses import replace
from decimal import Decimal

import pytest

from routing.budgets import Payer
from routing.dispatch import paying
from routing.policy.cost import Rate, Rates
from routing.policy.health import Health
from routing.snapshot import Snapshot
from routing.terms.candidate import Candidate
from routing.terms.words import BudgetAction, CredentialKind, ProviderKind, Role, TaskKind
from tests.routing.policy.worlds import NOW, table
from tests.routing.spooled import T0, intent

CODEX = Candidate("openai", "codex", "gpt", ProviderKind.OPENAI, "main", CredentialKind.API_KEY, Role.PRIMARY, "")
INTENT = intent(T0, client="ci", key_prefix="ck_ab12", task_type="vibe_coding", project="site", size=750)
ALL = ("client:ci", "key:ck_ab12", "task:vibe_coding", "project:site", "provider:openai")


def known(*, degraded: frozenset[str] = frozenset(), real: frozenset[str] = frozenset()) -> Snapshot:
    payers = {
        scope: Payer(number, scope, BudgetAction.BLOCK, Decimal(1), counts_simulated=scope not in real)
        for number, scope in enumerate((*ALL, "client:web", "provider:anthropic"))
    }
    health = Health(degraded=degraded)
    rates = {"openai:codex": Rates(Rate(Decimal(3)), Rate(Decimal(10)))}
    return Snapshot(table(), health, {}, rates, {}, {}, b"", (1, 1), NOW, health, payers=payers)


def scopes(there: Snapshot, candidate: Candidate = CODEX, degraded: frozenset[str] = frozenset()) -> tuple[str, ...]:
    return tuple(payer.scope for payer in paying._payers(there, INTENT, candidate, degraded))


def test_client_key_task_project_and_provider_pay() -> None:
    assert scopes(known()) == ALL


def test_a_clients_own_credential_pays_its_provider_by_itself() -> None:
    assert scopes(known(), replace(CODEX, credential_kind=CredentialKind.CALLER)) == ALL[:4]


def test_a_simulated_call_is_paid_for_only_while_no_real_money_was_spent() -> None:
    simulated = replace(CODEX, kind=ProviderKind.SIMULATED)
    assert scopes(known(real=frozenset({"client:ci"})), simulated) == ALL[1:]
    assert scopes(known(real=frozenset({"client:ci"}))) == ALL


def test_a_budget_that_has_let_cheaper_models_take_over_holds_nothing_for_them() -> None:
    assert scopes(known(degraded=frozenset({"task:vibe_coding"})), degraded=frozenset({"client:ci"})) == (
        "key:ck_ab12",
        "project:site",
        "provider:openai",
    )


@pytest.mark.parametrize(
    ("max_tokens", "kind", "usd"),
    [
        # 750 tokens of size are up to 3,003 bytes: 1,001 tokens at $3 a million.
        pytest.param(100, TaskKind.CHAT, "0.004003", id="what the caller allows"),
        pytest.param(None, TaskKind.CHAT, "0.043963", id="else 4,096 tokens of answer"),
        pytest.param(None, TaskKind.EMBEDDING, "0.003003", id="an embedding writes nothing"),
    ],
)
def test_the_estimate(max_tokens: int | None, kind: TaskKind, usd: str) -> None:
    there = known()
    models = {**there.table.models, CODEX.key: replace(there.table.models[CODEX.key], kind=kind)}
    there = replace(there, table=replace(there.table, models=models))
    writes = paying.Writes(max_tokens)
    assert paying._estimate(there, INTENT, CODEX, writes) == Decimal(usd)
    assert paying._estimate(there, INTENT, replace(CODEX, model="gpt-4o"), writes) is None, "it has no price"
