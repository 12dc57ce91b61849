"""When a window will be full, if it goes on filling as it did today."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from routing.usage.spans import midnight

LEAST = timedelta(minutes=5)  # two readings closer than that say nothing about a pace


@dataclass(frozen=True, slots=True)
class Point:
    """One reading of one window."""

    at: datetime
    percent: float


def per_hour(
    points: tuple[Point, ...], now: datetime, zone: ZoneInfo, begins_at: datetime | None = None
) -> float | None:
    """Per cent an hour since midnight, or since the window began; None while that is not known. `points` by time, of any age."""
    since = midnight(now.astimezone(zone).date(), zone)
    if begins_at is not None and since <= begins_at <= now:
        points = (Point(begins_at, 0.0), *points)  # it began today, and begins empty
        since = begins_at
    mine = [point for point in points if since <= point.at <= now]
    falls = [n for n, (old, new) in enumerate(pairwise(mine), 1) if new.percent < old.percent]
    mine = mine[falls[-1] :] if falls else mine  # usage falls at a reset alone
    if len(mine) < 2 or mine[-1].at - mine[0].at < LEAST:
        return None
    return (mine[-1].percent - mine[0].percent) / ((mine[-1].at - mine[0].at) / timedelta(hours=1))


def full_at(
    points: tuple[Point, ...], now: datetime, zone: ZoneInfo, begins_at: datetime | None = None
) -> datetime | None:
    """When the window reaches 100 % at today's pace; None when it does not grow, or nothing is known."""
    rate = per_hour(points, now, zone, begins_at)
    if not rate or rate <= 0:
        return None
    hours = max(100.0 - points[-1].percent, 0.0) / rate
    return now + timedelta(hours=hours) if hours < 24 * 366 else None


def said(
    points: tuple[Point, ...],
    now: datetime,
    zone: ZoneInfo,
    *,
    begins_at: datetime | None = None,
    resets_at: datetime | None = None,
) -> str:
    """One sentence: when it will be full at today's pace, or why that is not known."""
    reset = f" It resets {_when(resets_at, now, zone)}." if resets_at else ""
    if points and points[-1].percent >= 100:
        return f"It is full.{reset}"
    rate = per_hour(points, now, zone, begins_at)
    if rate is None:
        return f"Today's pace is not known yet.{reset}"
    full = full_at(points, now, zone, begins_at)
    if full is None:
        return f"It does not grow today.{reset}"
    if resets_at is not None and full >= resets_at:
        percent = points[-1].percent + rate * ((resets_at - now) / timedelta(hours=1))
        return f"At today's pace it is at {percent:.0f} % when it resets {_when(resets_at, now, zone)}."
    return f"At today's pace it is full {_when(full, now, zone)}.{reset}"


def _when(moment: datetime, now: datetime, zone: ZoneInfo) -> str:
    there = moment.astimezone(zone)
    is_today = there.date() == now.astimezone(zone).date()
    return f"at {there:%H:%M}" if is_today else f"on {there:%a %d %b at %H:%M}"
