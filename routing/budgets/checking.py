"""The minute's look at all budgets: the rows are counted anew, leases of the dead come back, and each step reached is told once a month."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from routing import alerts
from routing.budgets import ledger
from routing.budgets.counting import HOLDS, begin_month, correct, count
from routing.budgets.holding import spent_scopes
from routing.budgets.months import first_of, month_of
from routing.models import Budget, BudgetStep
from routing.policy.purse import forecast
from routing.terms.words import BudgetAction, Severity
from routing.versions import bump_state

BUDGET = "budget"  # kind of alerts
_AT_LIMIT = {
    BudgetAction.ALERT: "At its limit a person is told, and calls go on.",
    BudgetAction.BLOCK: "At its limit its calls are refused.",
    BudgetAction.DEGRADE: "At its limit cheaper models take over.",
}


def check(now: datetime) -> int:
    """Bring the ledgers to what the rows say, and tell of every step that was reached and that was not told of yet; how many."""
    begin, _ = month_of(now)
    alerts.resolve_older(BUDGET, begin)
    _count_anew(now)
    ledger.free_dead("", now)
    ledger.add_up()
    told = 0
    for budget in Budget.objects.filter(enabled=True, month=begin.date()).order_by("scope"):
        if budget.spent_usd > 0:
            told += sum(
                _tell(budget, step, now)
                for step in sorted(set(budget.steps))
                if budget.spent_usd * 100 >= budget.monthly_usd * step
            )
    return told


def _count_anew(now: datetime) -> None:
    """The rows have the last word; every process reads anew when a limit is passed by it, raised, or left behind with its month."""
    before = _reached(now)
    behind = Budget.objects.exclude(month=first_of(now)).values_list("scope", flat=True)
    for scope in tuple(behind):
        begin_month(scope, now)
    correct(count(frozenset(Budget.objects.values_list("scope", flat=True)), now))
    if _reached(now) != before:
        bump_state()


def _reached(now: datetime) -> list[frozenset[str]]:
    return [spent_scopes(now, action=action) for action in HOLDS]


@transaction.atomic
def _tell(budget: Budget, step: int, now: datetime) -> bool:
    begin, end = month_of(now)
    _, is_new = BudgetStep.objects.get_or_create(budget=budget, month=begin.date(), percent=step)
    if not is_new:
        return False
    kind = " (simulated calls)" if budget.simulated else ""
    ahead: Decimal = forecast(budget.spent_usd, (now - begin) / (end - begin))
    alerts.raise_alert(
        f"budget:{budget.scope}:{begin:%Y-%m}:{step}",
        kind=BUDGET,
        severity=Severity.CRITICAL if step >= 100 else Severity.WARNING,
        title=f"{budget.scope} has reached {step} % of its budget{kind}",
        detail=f"${budget.spent_usd:,.2f} of ${budget.monthly_usd:,.2f} are spent in {begin:%B}; at this pace it is"
        f" ${ahead:,.2f} at the month's end. {_AT_LIMIT[BudgetAction(budget.at_limit)]}",
        subject=budget.scope,
        url="/spend/",
    )
    return True
