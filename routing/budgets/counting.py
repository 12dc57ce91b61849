"""What scopes have spent: counted from the rows, and added up as the rows are written."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import F

from routing.budgets.months import first_of, month_of
from routing.models import Budget, Lease
from routing.policy.purse import NONE, Spending
from routing.rows import Costs
from routing.terms.ids import floor_of
from routing.terms.words import BudgetAction
from routing.versions import bump_state

HOLDS = (BudgetAction.BLOCK, BudgetAction.DEGRADE)
# The column that names a scope → the scope's first word.
_WORDS = {
    "client": "client",
    "key_prefix": "key",
    "project": "project",
    "task_type": "task",
    "provider": "provider",
}
# Where a scope's sum stands: its first word → (rows with their own cost, the key that tells when, the column that names it). A client's own
# credential pays its provider by itself; to the client's, the project's and the task's budget it is spending like any other.
_SOURCES = {
    "provider": ("routing_attempt", "call_id", "provider", " AND credential_kind <> 'caller'"),
    "client": ("routing_call", "id", "client", ""),
    "project": ("routing_call", "id", "project", ""),
    "task": ("routing_call", "id", "task_type", ""),
    "key": ("routing_call", "id", "key_prefix", ""),
}


@dataclass(frozen=True, slots=True)
class Spent:
    """What a scope has spent in a month."""

    usd: Decimal
    simulated: bool


@dataclass(frozen=True, slots=True)
class Counted:
    """A budget as its row has it and as the calls' rows have it, both seen at the same moment."""

    id: int
    scope: str
    month: date | None  # of the row
    was: Decimal
    was_simulated: bool
    spent: Spending


def month_to_date(scopes: frozenset[str], now: datetime) -> dict[str, Spent]:
    """What these scopes have spent this month, by the costs frozen on their calls; a scope without calls is absent. One query."""
    statement, values = _sums(scopes, now)
    found: dict[str, Spending] = {}
    if statement:
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            for scope, real, simulated in cursor.fetchall():
                found[scope] = _spending(first_of(now), real, simulated)
    return {scope: Spent(one.usd, one.simulated) for scope, one in found.items()}


def count(scopes: frozenset[str], now: datetime) -> list[Counted]:
    """These scopes' budgets, counted anew. One statement, so that its sums and its ledger are of one moment."""
    statement, values = _sums(scopes, now)
    if not statement:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT b.id, b.scope, b.month, b.spent_usd, b.simulated, sums.real_usd, sums.simulated_usd"  # noqa: S608 - no value
            f" FROM routing_budget b LEFT JOIN ({statement}) AS sums USING (scope) WHERE b.scope = ANY(%s) ORDER BY b.id",
            [*values, sorted(scopes)],
        )
        return [
            Counted(budget, scope, month, was, was_simulated, _spending(first_of(now), real, simulated))
            for budget, scope, month, was, was_simulated, real, simulated in cursor.fetchall()
        ]


def _spending(month: date, real: Decimal | None, simulated: Decimal | None) -> Spending:
    return Spending(month).plus(month, real or NONE, simulated or NONE)


def _sums(scopes: Iterable[str], now: datetime) -> tuple[str, list[Any]]:
    """(a query of scope, real USD, simulated USD; its values); "" when no scope is of a known kind."""
    begin, _ = month_of(now)
    parts, values = [], list[Any]()
    for word, (rows, key, column, only) in _SOURCES.items():
        names = sorted(scope.partition(":")[2] for scope in scopes if scope.startswith(f"{word}:"))
        if names:
            parts.append(
                f"SELECT '{word}:' || {column} AS scope, sum(cost_usd) FILTER (WHERE NOT simulated) AS real_usd,"  # noqa: S608 - no value
                f" sum(cost_usd) FILTER (WHERE simulated) AS simulated_usd"
                f" FROM {rows} WHERE {key} >= %s AND {column} = ANY(%s){only} GROUP BY {column}"
            )
            values += [floor_of(begin), names]
    return " UNION ALL ".join(parts), values


def correct(counted: Sequence[Counted]) -> int:
    """Bring the ledgers to what the rows say; how many were wrong. By difference: what is booked meanwhile is not undone."""
    wrong = 0
    for one in counted:
        now = one.spent
        if one.month == now.month and (one.was, one.was_simulated) != (now.usd, now.simulated):
            ledger = Budget.objects.filter(pk=one.id, month=now.month)
            wrong += ledger.update(spent_usd=F("spent_usd") + (now.usd - one.was), simulated=now.simulated)
    return wrong


@transaction.atomic
def begin_month(scope: str, now: datetime) -> None:
    """See that the scope's ledger is of this month. Whoever books rows waits meanwhile, so that none is missed and none counted twice."""
    row = Budget.objects.select_for_update().filter(scope=scope).first()
    if row is not None and (row.month is None or row.month < first_of(now)):
        for one in count(frozenset({scope}), now):
            _begin(row, one.spent)


def _begin(row: Budget, spent: Spending) -> None:
    """A new month's ledger, for who holds the row's lock. The leases of the old one count no more."""
    month = {"month": spent.month, "spent_usd": spent.usd, "simulated": spent.simulated, "reserved_usd": 0}
    Budget.objects.filter(pk=row.pk).update(**month)
    Lease.objects.filter(budget=row, month__lt=spent.month).delete()


@transaction.atomic(savepoint=False)
def book(costs: Iterable[Costs]) -> None:
    """Add what new rows have cost to the budgets that pay for them. Inside the transaction that writes the rows.

    A budget that was never counted is left to whoever counts it first: that sum takes in these rows too.
    """
    added: dict[str, dict[date, list[Decimal]]] = defaultdict(lambda: defaultdict(lambda: [NONE, NONE]))
    for cost in costs:
        month = first_of(cost.began_at)
        for column, name in cost.names:
            if name:
                added[f"{_WORDS[column]}:{name}"][month][cost.simulated] += cost.usd
    if not added:
        return
    before = after = frozenset[str]()
    for row in Budget.objects.filter(scope__in=added).order_by("pk").select_for_update():
        if row.month is None:
            continue
        spent = old = Spending(row.month, row.spent_usd, row.simulated)
        for month, (real, simulated) in sorted(added[row.scope].items()):
            spent = spent.plus(month, real, simulated)
        if spent == old:
            continue
        if spent.month > old.month:
            _begin(row, spent)
        else:
            Budget.objects.filter(pk=row.pk).update(spent_usd=spent.usd, simulated=spent.simulated)
        if row.enabled and row.at_limit in HOLDS:
            before |= {row.scope} if old.usd >= row.monthly_usd else frozenset()
            after |= {row.scope} if spent.usd >= row.monthly_usd else frozenset()
    if before != after:
        bump_state()
