"""Budgets: what one scope may spend in a month, and the steps on the way that a person is told of, each once a month.

Months are of CORTEX_TIME_ZONE. Simulated money counts only while a scope has spent no real money in the month.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, Model, Sum
from django.utils import timezone

from routing import alerts
from routing.models import Attempt, Budget, BudgetStep, Call
from routing.terms.ids import floor_of
from routing.terms.words import BudgetAction, Severity
from routing.versions import bump_state

BUDGET = "budget"  # kind of alerts
# Where the sum of a scope's month stands: the first word of a scope → (rows with their own cost, the column that names it).
_SOURCES: dict[str, tuple[type[Model], str, str]] = {
    "provider": (Attempt, "call_id", "provider"),
    "client": (Call, "id", "client"),
    "project": (Call, "id", "project"),
    "task": (Call, "id", "task_type"),
    "key": (Call, "id", "key_prefix"),
}
_AT_LIMIT = {
    BudgetAction.ALERT: "At its limit a person is told, and calls go on.",
    BudgetAction.BLOCK: "At its limit its calls are refused.",
    BudgetAction.DEGRADE: "At its limit cheaper models take over.",
}


@dataclass(frozen=True, slots=True)
class Spent:
    """What a scope has spent in a month."""

    usd: Decimal
    simulated: bool


def spent_scopes(now: datetime) -> frozenset[str]:
    """The scopes ("provider:openai") whose limit of this month is reached and blocks."""
    rows = Budget.objects.filter(enabled=True, at_limit=BudgetAction.BLOCK, month=month_of(now)[0].date())
    return frozenset(rows.filter(spent_usd__gte=F("monthly_usd")).values_list("scope", flat=True))


def month_of(now: datetime) -> tuple[datetime, datetime]:
    """(begin, end) of the month in CORTEX_TIME_ZONE."""
    first = timezone.localdate(now, ZoneInfo(settings.TIME_ZONE)).replace(day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    begin, end = (datetime.combine(day, time.min, ZoneInfo(settings.TIME_ZONE)) for day in (first, following))
    return begin, end


def month_to_date(scopes: frozenset[str], now: datetime) -> dict[str, Spent]:
    """What these scopes have spent this month, by the costs frozen on their calls. One query a kind of scope."""
    begin, _ = month_of(now)
    found: dict[str, Spent] = {}
    for word, (rows, key, column) in _SOURCES.items():
        names = {scope.partition(":")[2] for scope in scopes if scope.startswith(f"{word}:")}
        if names:
            picked = rows._default_manager.filter(**{f"{key}__gte": floor_of(begin), f"{column}__in": names})
            sums = picked.values(column, "simulated").annotate(usd=Sum("cost_usd"), calls=Count(key))
            for row in sorted(sums, key=lambda row: not row["simulated"]):  # real money last: it stands
                found[f"{word}:{row[column]}"] = Spent(row["usd"] or Decimal(0), row["simulated"])
    return found


def check(now: datetime) -> int:
    """Write down what each scope has spent this month, and tell of every step that it has reached and that was not told of yet; how many."""
    begin, end = month_of(now)
    alerts.resolve_older(BUDGET, begin)
    budgets = list(Budget.objects.filter(enabled=True).order_by("scope"))
    spent = month_to_date(frozenset(budget.scope for budget in budgets), now)
    _write_down(budgets, spent, begin.date(), now)
    told = 0
    for budget in budgets:
        if budget.scope in spent:
            told += sum(
                _tell(budget, step, spent[budget.scope], now, begin, end)
                for step in sorted(set(budget.steps))
                if spent[budget.scope].usd * 100 >= budget.monthly_usd * step
            )
    return told


def _write_down(budgets: list[Budget], spent: Mapping[str, Spent], month: date, now: datetime) -> None:
    """The sums that `spent_scopes` goes by; every process reads anew when a limit is passed, raised, or left behind with its month."""
    before = spent_scopes(now)
    for budget in budgets:
        usd = spent[budget.scope].usd if budget.scope in spent else Decimal(0)
        if (budget.month, budget.spent_usd) != (month, usd):
            Budget.objects.filter(pk=budget.pk).update(month=month, spent_usd=usd)
    if spent_scopes(now) != before:
        bump_state()


@transaction.atomic
def _tell(budget: Budget, step: int, spent: Spent, now: datetime, begin: datetime, end: datetime) -> bool:
    _, is_new = BudgetStep.objects.get_or_create(budget=budget, month=begin.date(), percent=step)
    if not is_new:
        return False
    kind = " (simulated calls)" if spent.simulated else ""
    forecast = spent.usd / Decimal((now - begin) / (end - begin))
    alerts.raise_alert(
        f"budget:{budget.scope}:{begin:%Y-%m}:{step}",
        kind=BUDGET,
        severity=Severity.CRITICAL if step >= 100 else Severity.WARNING,
        title=f"{budget.scope} has reached {step} % of its budget{kind}",
        detail=f"${spent.usd:,.2f} of ${budget.monthly_usd:,.2f} are spent in {begin:%B}; at this pace it is"
        f" ${forecast:,.2f} at the month's end. {_AT_LIMIT[BudgetAction(budget.at_limit)]}",
        subject=budget.scope,
        url="/spend/",
    )
    return True
