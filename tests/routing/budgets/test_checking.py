"""Budgets: each step is told once a month, by the costs that are frozen on the calls."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from routing import budgets
from routing.models import Alert, Attempt, Budget, Call, StateVersion
from routing.terms.ids import uuid7
from routing.terms.words import BudgetAction, CredentialKind, Role, Status

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 16, 0, 0, tzinfo=UTC)  # half of November is over
NEXT = datetime(2026, 12, 2, 0, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _months(db: None) -> None:
    with connection.cursor() as cursor:
        for month in (NOW - timedelta(days=31), NOW, NEXT):
            cursor.execute("SELECT routing_partition(%s)", [month.date()])


def spent(usd: str | None, at: datetime = NOW - timedelta(hours=1), *, simulated: bool = False, **call: Any) -> None:
    """One answered call of that cost, of client ci, project site, task type talk, at openai."""
    made = uuid7(at)
    cost = None if usd is None else Decimal(usd)
    values = {"client": "ci", "project": "site", "task_type": "talk", "wire": "native", "item_id": made, **call}
    Call.objects.create(
        id=made, started_at=at, status=Status.OK, role=Role.PRIMARY, cost_usd=cost, simulated=simulated, **values
    )
    Attempt.objects.create(
        call_id=made, attempt=1, started_at=at, provider="openai", model="codex", role=Role.PRIMARY, status=Status.OK,
        cost_usd=cost, simulated=simulated,
    )  # fmt: skip


def budget(scope: str = "provider:openai", usd: str = "50", **values: Any) -> Budget:
    return Budget.objects.create(scope=scope, monthly_usd=Decimal(usd), **{"steps": [50, 80, 100]} | values)


def titles() -> list[str]:
    return list(Alert.objects.order_by("pk").values_list("title", flat=True))


def test_of_50_dollars_the_80_per_cent_step_is_told_at_40_and_once() -> None:
    budget(at_limit=BudgetAction.BLOCK)
    spent("39.99")
    assert (budgets.check(NOW), titles()) == (1, ["provider:openai has reached 50 % of its budget"])
    spent("0.01")
    assert [budgets.check(NOW), budgets.check(NOW)] == [1, 0]
    last = Alert.objects.latest("pk")
    assert last.title == "provider:openai has reached 80 % of its budget"
    assert last.detail == (
        "$40.00 of $50.00 are spent in November; at this pace it is $80.00 at the month's end. At its limit its calls are refused."
    )


def test_a_jump_over_all_steps_tells_each_once() -> None:
    budget()
    spent("60")
    assert [budgets.check(NOW), budgets.check(NOW)] == [3, 0]
    assert [one.severity for one in Alert.objects.order_by("pk")] == ["warning", "warning", "critical"]


@pytest.mark.parametrize("scope", ["client:ci", "project:site", "task:talk", "provider:openai"])
def test_every_kind_of_scope_has_its_own_sum(scope: str) -> None:
    budget(scope, "10")
    budget(scope + "-other", "10")
    spent("5")
    spent(None)
    assert (budgets.check(NOW), titles()) == (1, [f"{scope} has reached 50 % of its budget"])


def test_the_next_month_begins_anew_and_the_old_alerts_are_over() -> None:
    budget()
    spent("30")
    budgets.check(NOW)
    Alert.objects.update(created_at=NOW)
    assert budgets.check(NEXT) == 0
    assert Alert.objects.get().resolved_at is not None
    spent("30", NEXT)
    assert budgets.check(NEXT) == 1


def test_a_month_begins_at_midnight_in_the_configured_zone(settings) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    budget()
    spent("30", datetime(2026, 10, 31, 22, 30, tzinfo=UTC))  # 23:30 on 31 October there
    assert budgets.check(NOW) == 0
    spent("30", datetime(2026, 10, 31, 23, 30, tzinfo=UTC))
    assert budgets.check(NOW) == 1


def test_simulated_money_is_told_as_such_and_never_added_to_real_money() -> None:
    budget()
    spent("30", simulated=True)
    assert budgets.check(NOW) == 1
    assert titles() == ["provider:openai has reached 50 % of its budget (simulated calls)"]
    spent("20")
    assert budgets.check(NOW) == 0, "$20 of real money are 40 %"


def test_a_budget_that_is_switched_off_says_nothing() -> None:
    budget(enabled=False)
    spent("60")
    assert budgets.check(NOW) == 0


@pytest.mark.parametrize("scope", ["client:ci", "project:site", "task:talk", "provider:openai", "key:ck_ab12"])
def test_a_limit_that_blocks_blocks_once_it_is_reached_and_not_before(scope: str) -> None:
    budget(scope, "10", at_limit=BudgetAction.BLOCK)
    spent("9.99", key_prefix="ck_ab12")
    budgets.check(NOW)
    assert budgets.spent_scopes(NOW) == frozenset()
    spent("0.01", key_prefix="ck_ab12")
    before = StateVersion.objects.get().state
    budgets.check(NOW)
    assert budgets.spent_scopes(NOW) == {scope}
    assert StateVersion.objects.get().state > before, "every process is to read anew"
    assert budgets.spent_scopes(NEXT) == frozenset(), "the next month begins anew"


def test_a_raised_limit_frees_at_once() -> None:
    made = budget(usd="10", at_limit=BudgetAction.BLOCK)
    spent("10")
    budgets.check(NOW)
    Budget.objects.filter(pk=made.pk).update(monthly_usd=20)
    assert budgets.spent_scopes(NOW) == frozenset()


def test_what_a_clients_own_credential_paid_is_no_spending_of_the_providers_budget() -> None:
    budget("provider:openai", "10")
    budget("client:ci", "10")
    spent("6")
    Attempt.objects.update(credential_kind=CredentialKind.CALLER)
    assert (budgets.check(NOW), titles()) == (1, ["client:ci has reached 50 % of its budget"])


def test_the_rows_have_the_last_word_over_a_ledger_that_missed_some() -> None:
    """An import writes rows of this month, and books none of them."""
    made = budget("client:ci", "10")
    budgets.check(NOW)
    spent("6")
    assert Budget.objects.get(pk=made.pk).spent_usd == 0
    budgets.check(NOW)
    assert Budget.objects.get(pk=made.pk).spent_usd == 6
    Call.objects.all().delete()
    budgets.check(NOW)
    assert Budget.objects.get(pk=made.pk).spent_usd == 0
