"""What is told of usage: each threshold once per window, again after its reset; and that a window became unknown."""

from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Q, QuerySet

from routing import alerts
from routing.models import Provider, UsageAlert, UsageReading
from routing.policy.health import STALE_AFTER, Reading
from routing.terms.words import Severity
from routing.usage import pace
from routing.usage.pace import Point

THRESHOLDS = (20, 40, 60, 80, 90, 95, 100)
USAGE, UNKNOWN = "usage", "usage_unknown"  # kinds of alerts


def cross(
    provider: Provider, reading: Reading, points: tuple[Point, ...], *, begins_at: datetime | None
) -> tuple[int, ...]:
    """Tell of every threshold that the window has reached and was not told of since its reset; which. For who holds the window's lock."""
    now, window = reading.read_at, reading.window
    alerts.resolve(_unknown_key(provider.slug, window))
    if reading.resets_at is not None and reading.resets_at <= now:
        return ()
    _rearm(provider, window, reading.percent)
    given = UsageAlert.objects.filter(provider=provider, window=window)
    # A provider may name its reset a little differently each time: the window ends when the first name of it has passed.
    ends_at = given.filter(window_resets_at__gt=now).aggregate(end=Max("window_resets_at"))["end"] or reading.resets_at
    told = set(given.filter(window_resets_at=ends_at).values_list("threshold", flat=True))
    new = tuple(each for each in THRESHOLDS if each <= reading.percent and each not in told)
    zone = ZoneInfo(settings.TIME_ZONE)
    detail = pace.said(points, now, zone, begins_at=begins_at, resets_at=reading.resets_at)
    for threshold in new:
        row = UsageAlert.objects.create(provider=provider, window=window, threshold=threshold, window_resets_at=ends_at)
        alerts.raise_alert(
            _key(row),
            kind=USAGE,
            severity=_severity(threshold),
            title=f"{provider.slug} {window} has reached {threshold} % of its usage",
            detail=f"It is at {reading.percent:g} %. {detail}",
            subject=f"provider:{provider.slug}",
            url="/models/",
        )
    return new


def _severity(threshold: int) -> Severity:
    if threshold not in settings.USAGE_NOTIFY_AT:
        return Severity.INFO
    return Severity.CRITICAL if threshold >= 100 else Severity.WARNING


def _rearm(provider: Provider, window: str, percent: float) -> None:
    """Usage that fell under half of a threshold has been reset, whatever was said of when."""
    over = UsageAlert.objects.filter(provider=provider, window=window, threshold__gt=2 * percent)
    _end(list(_locked(over)))


def close(now: datetime) -> int:
    """End what was told of windows that have reset since; how many alerts."""
    with transaction.atomic():
        return _end(list(_locked(UsageAlert.objects.filter(window_resets_at__lte=now))))


def _locked(rows: QuerySet[UsageAlert]) -> QuerySet[UsageAlert]:
    """These rows, held in one order before their alerts are: who ends them at the same time waits its turn."""
    return rows.select_for_update().order_by("pk")


def _end(given: list[UsageAlert]) -> int:
    for row in given:
        alerts.resolve(_key(row))
    UsageAlert.objects.filter(pk__in=[row.pk for row in given]).delete()
    return len(given)


def warn_of_unknown(now: datetime) -> int:
    """Tell of windows that nobody has read for so long that they say nothing about now; how many are new."""
    newest = UsageReading.objects.values("provider__slug", "window").annotate(last=Max("read_at"))
    stale = newest.filter(~Q(last__gt=now - STALE_AFTER), provider__enabled=True).order_by("provider__slug", "window")
    zone = ZoneInfo(settings.TIME_ZONE)
    return sum(
        alerts.raise_alert(
            _unknown_key(row["provider__slug"], row["window"]),
            kind=UNKNOWN,
            severity=Severity.INFO,
            title=f"Usage of {row['provider__slug']} {row['window']} is unknown",
            detail=f"It was last read on {row['last'].astimezone(zone):%d %b at %H:%M}. Push a reading with"
            " `manage.py routing usage` or POST /api/v1/usage; the curve's setting says what holds until then.",
            subject=f"provider:{row['provider__slug']}",
        )
        for row in stale
    )


def _key(row: UsageAlert) -> str:
    """Each crossing is an alert of its own: the next window's is not the same one again."""
    return f"usage:{row.pk}"


def _unknown_key(provider: str, window: str) -> str:
    return f"usage-unknown:{provider}:{window}"
