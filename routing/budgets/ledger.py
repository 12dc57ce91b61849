"""Leases in the database: made larger by compare-and-set where the rest allows it, made smaller, and taken from processes that are gone.

Whoever changes a lease changes its budget's `reserved_usd` by the same amount in the same transaction, the budget first. What a process says of its
lease is the whole of it: so it is right again after an answer of the database was lost on the way.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import DecimalField, F, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from routing.budgets import owners
from routing.budgets.counting import HOLDS, begin_month
from routing.budgets.holding import Payer
from routing.models import Budget, Lease
from routing.policy.purse import NONE, grant, may_come

TRIES = 3  # of a compare-and-set, while others take of the same rest
DOUBT_AFTER = timedelta(minutes=2)  # an owner that cannot be seen, and has not touched its lease for so long
FREE_AFTER = timedelta(minutes=2)  # … and goes on so, though the database is there


@dataclass(frozen=True, slots=True)
class Short:
    """The rest does not allow it."""

    limit: Decimal
    spent: Decimal
    leased: Decimal
    may_come: bool  # it would, if all that is out on leases came back


class Lifted:
    """The budget must hold no more: it was deleted, switched off, or only alerts now."""


class Moved(Exception):
    """Another hand was at the lease in between."""


def ask_more(
    payer: Payer, month: date, owner: str, total: Decimal, need: Decimal, now: datetime
) -> Decimal | Short | Lifted:
    """So much more than `total`, which is at least `need`; or why not. Raises what PostgreSQL raises."""
    found = Short(payer.limit, NONE, payer.limit, may_come=True)
    for _ in range(TRIES):
        row = Budget.objects.filter(pk=payer.id).first()
        if row is None or not row.enabled or row.at_limit not in HOLDS:
            return Lifted()
        if row.month is None or row.month < month:
            begin_month(payer.scope, now)
            continue
        limit, spent, leased = row.monthly_usd, row.spent_usd, row.reserved_usd
        found = Short(limit, spent, leased, may_come=may_come(limit, spent, need))
        more = grant(limit, spent, leased, need)
        if more is None:
            return found
        if write(payer.id, month, owner, total + more, now, within=True):
            return more
    return found


def write(budget: int, month: date, owner: str, total: Decimal, now: datetime, *, within: bool = False) -> bool:
    """Make the owner's lease this large; 0 ends it. False when it stays as it is, as `within` the limit there is not so much.

    Where there is no such ledger any more, there is nothing to write.
    """
    for _ in range(TRIES):
        try:
            with transaction.atomic():
                return _written(budget, month, owner, total, now, within)
        except Moved:
            continue
    return False


def _written(budget: int, month: date, owner: str, total: Decimal, now: datetime, within: bool) -> bool:
    lease = Lease.objects.filter(budget=budget, owner=owner, month=month)
    before = lease.values_list("usd", flat=True).first()
    change = total - (before or NONE)
    ledger = Budget.objects.filter(pk=budget, month=month)
    if within and change > 0:
        ledger = ledger.filter(monthly_usd__gte=F("spent_usd") + F("reserved_usd") + change)
    if not ledger.update(reserved_usd=F("reserved_usd") + change):
        return not within
    # From here on the budget's row is ours, and with it its leases.
    if before is None:
        if lease.exists():
            raise Moved
        if total:
            Lease.objects.create(budget_id=budget, owner=owner, month=month, usd=total, touched_at=now)
        return True
    same = lease.filter(usd=before)
    is_ours = same.update(usd=total, touched_at=now, doubted_at=None) if total else same.delete()[0]
    if not is_ours:
        raise Moved
    return True


def touch(owner: str, now: datetime) -> None:
    """The owner lives."""
    Lease.objects.filter(owner=owner).update(touched_at=now, doubted_at=None)


def free_dead(owner: str, now: datetime, *, seen_only: bool = False) -> int:
    """Take back the leases of processes that are gone; how many. `owner` is spared; `seen_only`: look only at those whose end can be seen.

    A process of another host is doubted when it has long not touched its lease, and gone when it goes on so: while PostgreSQL was away,
    nobody could.
    """
    freed = 0
    for lease in Lease.objects.exclude(owner=owner).order_by("pk"):
        if owners.is_here(lease.owner):
            if owners.is_gone(lease.owner):
                freed += _free(lease)
                if not Lease.objects.filter(owner=lease.owner).exists():
                    owners.clear(lease.owner)
        elif seen_only or lease.touched_at > now - DOUBT_AFTER:
            continue
        elif lease.doubted_at is None:
            Lease.objects.filter(pk=lease.pk, touched_at=lease.touched_at).update(doubted_at=now)
        elif lease.doubted_at <= now - FREE_AFTER:
            freed += _free(lease)
    return freed


@transaction.atomic
def _free(lease: Lease) -> int:
    Budget.objects.filter(pk=lease.budget_id, month=lease.month).update(reserved_usd=F("reserved_usd") - lease.usd)
    gone, _ = Lease.objects.filter(pk=lease.pk, usd=lease.usd, touched_at=lease.touched_at).delete()
    if not gone:
        transaction.set_rollback(True)
    return gone


def add_up() -> int:
    """Bring every `reserved_usd` to the sum of its leases; how many were not. One statement, and each row is looked at again once it is ours."""
    leases = Lease.objects.filter(budget=OuterRef("pk"), month=OuterRef("month")).order_by().values("budget")
    sums = Coalesce(Subquery(leases.annotate(all=Sum("usd")).values("all")), NONE, output_field=DecimalField())
    wrong = 0
    for budget in Budget.objects.annotate(leased=sums).exclude(reserved_usd=F("leased")).values_list("pk", flat=True):
        with transaction.atomic():
            row = Budget.objects.select_for_update().filter(pk=budget).first()
            if row is not None and row.month is not None:
                total = Lease.objects.filter(budget=row, month=row.month).aggregate(all=Sum("usd"))["all"] or NONE
                wrong += Budget.objects.filter(pk=budget).exclude(reserved_usd=total).update(reserved_usd=total)
    return wrong
