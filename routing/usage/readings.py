"""Readings as rows: kept, read for the curve, and told as the windows of every provider with what is unknown of them."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction

from routing.models import Provider, Quota, UsageReading
from routing.policy.health import STALE_AFTER, Reading
from routing.usage import thresholds
from routing.usage.pace import Point, full_at
from routing.usage.spans import bounds, hours_of, midnight
from routing.versions import bump_state

PUSHED, COMPUTED = "pushed", "computed"
KEPT = timedelta(days=35)
SAME = 0.05  # per cent; a computed reading that moved by less is not written again
AGAIN = timedelta(hours=1)  # unless the last one is that old


class Unknown(LookupError):
    """A provider that does not exist. Names those that do."""

    def __init__(self, slug: str) -> None:
        known = ", ".join(Provider.objects.order_by("slug").values_list("slug", flat=True)[:20])
        super().__init__(f"There is no provider '{slug}'. Known: {known or 'none'}.")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a reading led to."""

    reading: Reading
    crossed: tuple[int, ...]  # thresholds that were told now


@dataclass(frozen=True, slots=True)
class WindowNow:
    """A window of a provider as it stands."""

    provider: str
    window: str
    percent: float | None  # None: unknown
    reason: str  # why it is unknown, else ""
    source: str  # "pushed", "computed", "" when it was never read
    read_at: datetime | None
    resets_at: datetime | None
    full_at: datetime | None  # at today's pace


@transaction.atomic
def record(
    provider: str, window: str, percent: float, resets_at: datetime | None, now: datetime, *, source: str = PUSHED
) -> Recorded:
    """Keep how full a window of the provider's usage is, and tell of every threshold that it crossed. Raises Unknown.

    Readings of one window stand in line, so that of many processes that push at once one tells.
    """
    row = Provider.objects.filter(slug=provider).first()
    if row is None:
        raise Unknown(provider)
    window = window[:60]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"usage {provider} {window}"])
    reading = Reading(provider, window, percent, now, resets_at, source)
    last = UsageReading.objects.filter(provider=row, window=window, source=source).order_by("-read_at").first()
    if source == COMPUTED and last is not None and _is_same(last, reading):
        return Recorded(reading, ())
    UsageReading.objects.create(
        provider=row, window=window, percent=percent, resets_at=resets_at, read_at=now, source=source
    )
    points = history(now).get((provider, window), ())
    crossed = thresholds.cross(row, reading, points, begins_at=_begin(window, resets_at))
    bump_state()
    return Recorded(reading, crossed)


def _is_same(last: UsageReading, reading: Reading) -> bool:
    is_near = abs(last.percent - reading.percent) < SAME and last.resets_at == reading.resets_at
    return is_near and reading.read_at - last.read_at < AGAIN


def readings(now: datetime) -> tuple[Reading, ...]:
    """What each window that is not stale says, of a pushed and a computed reading the higher."""
    rows = UsageReading.objects.filter(read_at__gt=now - STALE_AFTER, read_at__lte=now + STALE_AFTER)
    newest = rows.order_by("provider", "window", "source", "-read_at").distinct("provider", "window", "source")
    found: dict[tuple[str, str], Reading] = {}
    for row in newest.select_related("provider"):
        reading = Reading(row.provider.slug, row.window, row.percent, row.read_at, row.resets_at, row.source)
        rival = found.get((reading.provider, reading.window))
        if rival is None or _percent(reading, now) > _percent(rival, now):
            found[reading.provider, reading.window] = reading
    return tuple(found.values())


def _percent(reading: Reading, now: datetime) -> float:
    """How full it is now: a window past its reset is empty."""
    return 0.0 if reading.resets_at is not None and reading.resets_at <= now else reading.percent


def windows(now: datetime) -> list[WindowNow]:
    """Every window that was ever read in the last weeks or is set at a quota, of providers that are on; unknown ones with the reason."""
    zone, points = ZoneInfo(settings.TIME_ZONE), history(now)
    known = {(reading.provider, reading.window): reading for reading in readings(now)}
    found = {
        key: WindowNow(
            *key,
            percent=(percent := _percent(reading, now)),
            reason="",
            source=reading.source,
            read_at=reading.read_at,
            resets_at=reading.resets_at if reading.resets_at and reading.resets_at > now else None,
            full_at=full_at((*points.get(key, ()), Point(now, percent)), now, zone, _begin(key[1], reading.resets_at)),
        )
        for key, reading in known.items()
    }
    return sorted(
        (*found.values(), *_unknown(set(found))), key=lambda each: (each.provider, each.percent is None, each.window)
    )


def _unknown(known: set[tuple[str, str]]) -> Iterator[WindowNow]:
    enabled = set(Provider.objects.filter(enabled=True).values_list("slug", flat=True))
    last = UsageReading.objects.order_by("provider", "window", "-read_at").distinct("provider", "window")
    seen = set(known)
    for row in last.select_related("provider"):
        key = (row.provider.slug, row.window)
        if key not in seen and key[0] in enabled:
            said = f"not read since {row.read_at.astimezone(ZoneInfo(settings.TIME_ZONE)):%d %b %H:%M}"
            yield WindowNow(*key, None, said, row.source, row.read_at, None, None)
        seen.add(key)
    for quota in Quota.objects.exclude(provider=None).select_related("provider").order_by("slug"):
        for window in quota.windows:
            key = (quota.provider.slug if quota.provider else "", name_of(quota.slug, window["name"]))
            if key not in seen and key[0] in enabled:
                yield WindowNow(*key, None, why_not(window), "", None, None, None)


def name_of(quota: str, window: str) -> str:
    """What a quota's window is called among the windows of its provider."""
    return f"{quota} {window}"[:60]


def why_not(window: dict[str, object]) -> str:
    """Why a quota's window cannot be computed from our own calls; else that nobody has read it yet."""
    if not window.get("limit"):
        return "never read, and no limit is set to compute it from"
    hours = window.get("hours")
    if hours_of(str(window["name"]), hours if isinstance(hours, float | int) else None) is None:
        return "never read, and neither its hours nor its name say how long it is"
    return "not read yet"


def history(now: datetime) -> dict[tuple[str, str], tuple[Point, ...]]:
    """Today's readings of each window, by time; today is the day in CORTEX_TIME_ZONE."""
    rows = UsageReading.objects.filter(read_at__gte=midnight_of(now), read_at__lte=now).order_by("read_at", "pk")
    found: defaultdict[tuple[str, str], list[Point]] = defaultdict(list)
    for provider, window, at, percent in rows.values_list("provider__slug", "window", "read_at", "percent"):
        found[provider, window].append(Point(at, percent))
    return {key: tuple(points) for key, points in found.items()}


def midnight_of(now: datetime) -> datetime:
    """When the present day began in CORTEX_TIME_ZONE."""
    zone = ZoneInfo(settings.TIME_ZONE)
    return midnight(now.astimezone(zone).date(), zone)


def today(now: datetime) -> list[tuple[str, str, tuple[Point, ...]]]:
    """(provider, window, readings) of today, as the chart on the curve draws them."""
    return [(*key, points) for key, points in sorted(history(now).items())]


def prune(now: datetime) -> int:
    """Forget readings that no page shows any more; how many."""
    deleted, _ = UsageReading.objects.filter(read_at__lt=now - KEPT).delete()
    return deleted


def _begin(window: str, resets_at: datetime | None) -> datetime | None:
    """When a window that resets then has begun, where its name says how long it is."""
    hours = hours_of(window)
    return resets_at - timedelta(hours=hours) if hours and resets_at else None


def last_reset(provider: str, names: tuple[str, ...]) -> datetime | None:
    """The newest reset that a pushed reading of one of these windows named."""
    rows = UsageReading.objects.filter(provider__slug=provider, window__in=names, source=PUSHED)
    return rows.exclude(resets_at=None).order_by("-read_at").values_list("resets_at", flat=True).first()


def span(provider: str, quota: str, window: str, hours: float, now: datetime) -> tuple[datetime, datetime]:
    """(begin, end) of a quota's window that is open now, by the last reset that its provider named, else by the calendar."""
    anchor = last_reset(provider, (name_of(quota, window), window))
    return bounds(hours, now, ZoneInfo(settings.TIME_ZONE), anchor)
