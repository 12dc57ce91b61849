"""Quotas: a pool of one product, exhausted until it resets. It resets by itself, at read time, and that is told once."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils.dateparse import parse_date, parse_datetime

from routing import alerts, audit
from routing.audit import SYSTEM, Actor
from routing.models import Quota
from routing.policy.health import Rest
from routing.terms.words import Severity
from routing.versions import bump_state

EARLIEST, LATEST = 2000, 9998  # the ends of the calendar have no other zone


class Unknown(LookupError):
    """A quota that does not exist. Names those that do."""

    def __init__(self, slug: str) -> None:
        known = ", ".join(Quota.objects.order_by("slug").values_list("slug", flat=True)[:20])
        super().__init__(f"There is no quota '{slug}'. Known: {known or 'none'}.")


class NoMoment(ValueError):
    """A text that is no moment, or none of use. Says what to write instead."""


def moment(text: str) -> datetime:
    """A date is that day's 00:00 in CORTEX_TIME_ZONE; a time may name its zone, "Z" too. Raises NoMoment for anything else."""
    try:
        found = parse_datetime(text) if len(text) > 10 else None
        day = parse_date(text) if found is None else None
    except ValueError:
        found = day = None
    if found is None and day is not None:
        found = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - the zone follows
    if found is None:
        near = datetime.now(UTC).year + 1
        raise NoMoment(
            f"'{text[:60]}' is no date: write {near}-02-03 for the beginning of that day in {settings.TIME_ZONE},"
            f" or {near}-02-03T12:00Z."
        )
    zoned = found if found.tzinfo else found.replace(tzinfo=ZoneInfo(settings.TIME_ZONE))
    if not EARLIEST <= zoned.year <= LATEST:
        raise NoMoment(f"'{text}' lies outside the years {EARLIEST} to {LATEST}.")
    return zoned


def moment_ahead(text: str) -> datetime:
    """As `moment`, of a moment that is still to come. Raises NoMoment."""
    found = moment(text)
    if found <= datetime.now(UTC):
        raise NoMoment(f"{text} is over; name a moment that is still to come.")
    return found


@transaction.atomic
def exhaust(slug: str, until: datetime | None, reason: str, *, by: Actor) -> bool:
    """Mark it exhausted until then (None: until it is released), as a person says: exactly so. True when that is news. Raises Unknown."""
    row = _locked(slug)
    if (row.exhausted, row.resets_at, row.reason) == (True, until, reason[:300]):
        return False
    Quota.objects.filter(pk=row.pk).update(exhausted=True, resets_at=until, reason=reason[:300])
    _told(row, "quota.exhausted", until, reason, by=by)
    return True


@transaction.atomic
def spend(slug: str, until: datetime, reason: str) -> bool:
    """A provider says that the pool is empty: exhausted at least until then, a later end stands. True when that is news.

    A quota that the table no longer has is nobody's news. Only the first of a row of refusals is an event.
    """
    is_open = Q(exhausted=False) | Q(resets_at__lte=datetime.now(UTC))
    row = Quota.objects.filter(slug=slug).first()
    values = {"exhausted": True, "resets_at": until, "reason": reason[:300]}
    if row is None:
        return False
    if Quota.objects.filter(is_open, pk=row.pk).update(**values):
        _told(row, "quota.exhausted", until, reason, by=SYSTEM)
        return True
    longer = Quota.objects.filter(pk=row.pk, exhausted=True, resets_at__lt=until).update(**values)
    if longer:
        bump_state()
    return bool(longer)


@transaction.atomic
def release(slug: str, *, by: Actor) -> bool:
    """Make it available again; True when it was exhausted. Raises Unknown."""
    row = _locked(slug)
    if not row.exhausted:
        return False
    _freed(row, "quota.released", by=by)
    return True


def exhausted(now: datetime) -> dict[str, Rest]:
    """What is exhausted now: slug → until when, and why. What is due is reset on the way, by one process of all that read it."""
    holding = {}
    for row in Quota.objects.filter(exhausted=True):
        rest = Rest(row.resets_at, row.reason)
        if rest.holds(now):
            holding[row.slug] = rest
        else:
            _reset(row)
    return holding


def _reset(row: Quota) -> None:
    with transaction.atomic():
        if Quota.objects.filter(pk=row.pk, exhausted=True, resets_at=row.resets_at).update(exhausted=False):
            _freed(row, "quota.reset", by=SYSTEM)


def _freed(row: Quota, action: str, *, by: Actor) -> None:
    Quota.objects.filter(pk=row.pk).update(exhausted=False, resets_at=None, reason="")
    alerts.resolve(_alert(row.slug))
    audit.write(action, f"quota:{row.slug}", by=by, before=_state(row), after={"exhausted": False})
    bump_state()


def _told(row: Quota, action: str, until: datetime | None, reason: str, *, by: Actor) -> None:
    """The alert and the event of a quota that was exhausted. A person who says it knows it; of a provider's word a person is told."""
    end = (
        f"until {until.astimezone(ZoneInfo(settings.TIME_ZONE)):%d %b %Y %H:%M %Z}" if until else "until it is released"
    )
    alerts.raise_alert(
        _alert(row.slug),
        kind="quota",
        severity=Severity.WARNING if by == SYSTEM else Severity.INFO,
        title=f"Quota {row.name or row.slug} is exhausted {end}",
        detail=reason,
        subject=f"quota:{row.slug}",
        url="/models/",
    )
    after = {"exhausted": True, "resets_at": until and until.isoformat()}
    audit.write(action, f"quota:{row.slug}", by=by, before=_state(row), after=after, reason=reason)
    bump_state()


def _locked(slug: str) -> Quota:
    row = Quota.objects.select_for_update().filter(slug=slug).first()
    if row is None:
        raise Unknown(slug)
    return row


def _state(row: Quota) -> dict[str, object]:
    return {"exhausted": row.exhausted, "resets_at": row.resets_at and row.resets_at.isoformat()}


def _alert(slug: str) -> str:
    return f"quota:{slug}"
