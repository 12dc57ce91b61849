"""Quotas: a pool of one product, exhausted until it resets. It resets by itself, at read time."""

from datetime import datetime

from django.db.models import Q, QuerySet
from django.utils import timezone

from routing.models import Provider, Quota, UsageReading
from routing.policy.health import STALE_AFTER, Reading, Rest
from routing.versions import bump_state


class Unknown(LookupError):
    """A quota or a provider that does not exist."""


def exhaust(slug: str, until: datetime | None, reason: str) -> bool:
    """Mark it exhausted until then (None: until it is released); True when that is news. A later deadline stands. Raises Unknown."""
    rows = Quota.objects.filter(slug=slug)
    if not rows.exists():
        raise Unknown(f"There is no quota '{slug}'.")
    news = Q(exhausted=False) | Q(resets_at__lte=timezone.now())
    news |= Q(resets_at__lt=until) if until is not None else Q(resets_at__isnull=False)
    return _changed(rows.filter(news).update(exhausted=True, resets_at=until, reason=reason[:300]))


def release(slug: str) -> bool:
    """Make it available again; True when it was exhausted. Raises Unknown."""
    rows = Quota.objects.filter(slug=slug)
    if not rows.exists():
        raise Unknown(f"There is no quota '{slug}'.")
    return _changed(rows.filter(exhausted=True).update(exhausted=False, resets_at=None, reason=""))


def record(provider: str, window: str, percent: float, resets_at: datetime | None, now: datetime) -> Reading:
    """Keep how full a window of the provider's usage is, as somebody has read it. Raises Unknown."""
    row = Provider.objects.filter(slug=provider).first()
    if row is None:
        raise Unknown(f"There is no provider '{provider}'.")
    UsageReading.objects.create(
        provider=row, window=window[:60], percent=percent, resets_at=resets_at, read_at=now, source="pushed"
    )
    bump_state()
    return Reading(provider, window, percent, now, resets_at)


def exhausted(now: datetime) -> dict[str, Rest]:
    """What is exhausted now: slug → until when, and why."""
    return {quota.slug: Rest(quota.resets_at, quota.reason) for quota in _holding(now)}


def readings(now: datetime) -> tuple[Reading, ...]:
    """The newest reading of every window that is not stale."""
    rows = UsageReading.objects.filter(read_at__gt=now - STALE_AFTER).select_related("provider")
    return tuple(
        Reading(row.provider.slug, row.window, row.percent, row.read_at, row.resets_at)
        for row in rows.order_by("provider", "window", "-read_at").distinct("provider", "window")
    )


def _holding(now: datetime) -> QuerySet[Quota]:
    return Quota.objects.filter(exhausted=True).exclude(resets_at__lte=now)


def _changed(rows: int) -> bool:
    if rows:
        bump_state()
    return bool(rows)
