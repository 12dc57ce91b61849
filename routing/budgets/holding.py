"""The budgets that must hold, as a snapshot knows them: who pays, and whose limit is reached."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db.models import F

from routing.budgets.counting import HOLDS
from routing.budgets.months import first_of
from routing.models import Budget
from routing.terms.words import BudgetAction


@dataclass(frozen=True, slots=True)
class Payer:
    """A budget that must hold."""

    id: int
    scope: str  # "client:ci"
    action: BudgetAction  # block or degrade
    limit: Decimal
    counts_simulated: bool  # whether simulated calls count: until real money is spent


@dataclass(frozen=True, slots=True)
class Holding:
    payers: Mapping[str, Payer] = field(default_factory=dict)  # by scope
    spent: frozenset[str] = frozenset()  # the scopes whose limit of this month is reached and blocks
    degraded: frozenset[str] = frozenset()  # … and lets cheaper models take over


def holding(now: datetime) -> Holding:
    """All that hold. One query."""
    month, payers, reached = first_of(now), dict[str, Payer](), dict[BudgetAction, set[str]]()
    for row in Budget.objects.filter(enabled=True, at_limit__in=HOLDS).order_by("scope"):
        action, is_current = BudgetAction(row.at_limit), row.month == month
        is_real = is_current and not row.simulated and row.spent_usd > 0
        payers[row.scope] = Payer(row.pk, row.scope, action, row.monthly_usd, counts_simulated=not is_real)
        if is_current and row.spent_usd >= row.monthly_usd:
            reached.setdefault(action, set()).add(row.scope)
    return Holding(
        payers, frozenset(reached.get(BudgetAction.BLOCK, ())), frozenset(reached.get(BudgetAction.DEGRADE, ()))
    )


def spent_scopes(now: datetime, *, action: BudgetAction = BudgetAction.BLOCK) -> frozenset[str]:
    """The scopes ("provider:openai") whose limit of this month is reached, of the budgets that then do `action`."""
    rows = Budget.objects.filter(enabled=True, at_limit=action, month=first_of(now))
    return frozenset(rows.filter(spent_usd__gte=F("monthly_usd")).values_list("scope", flat=True))
