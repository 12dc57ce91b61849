"""What the first pages show: the last day against the same day a week before, and every task type's fortnight in a line."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Sum

from analytics.models import Tally
from analytics.queries import Rate, rate
from analytics.statements import day_start, sql
from analytics.stats.histograms import GROWTH
from routing.terms.ids import floor_of

DAY = dt.timedelta(days=1)
WEEK = dt.timedelta(days=7)
FORTNIGHT = dt.timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Stretch:
    """The calls of a stretch of time."""

    calls: int
    answered: Rate | None  # of the calls that ended in an answer or an error
    fallbacks: int
    total_p95_ms: float | None  # of answered calls
    cost_usd: Decimal
    unpriced: int
    simulated: bool  # some of them


@dataclass(frozen=True, slots=True)
class Pulse:
    """The last 24 hours and the same hours a week before; success of the last 7 nights and of the 7 before."""

    now: Stretch
    before: Stretch
    success: Rate | None
    success_before: Rate | None


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One task type's fortnight."""

    task_type: str
    calls: int
    success: Rate | None
    nights: tuple[float | None, ...]  # success night by night, None where nothing was graded
    total_p95_ms: float | None
    cost_per_call_usd: Decimal | None  # of priced calls
    unpriced: int
    simulated: bool


def pulse(now: dt.datetime) -> Pulse:
    tonight = now.astimezone(dt.UTC).date()
    return Pulse(
        now=_stretch(now - DAY, now),
        before=_stretch(now - DAY - WEEK, now - WEEK),
        success=_success(tonight - WEEK, tonight),
        success_before=_success(tonight - 2 * WEEK, tonight - WEEK),
    )


def _stretch(since: dt.datetime, until: dt.datetime) -> Stretch:
    (row,) = _rows("pulse", since=floor_of(since), until=floor_of(until))
    return Stretch(
        calls=row["calls"],
        answered=rate(row["ok"], row["ended"]),
        fallbacks=row["fallbacks"],
        total_p95_ms=row["p95"],
        cost_usd=row["cost_usd"],
        unpriced=row["unpriced"],
        simulated=row["simulated"],
    )


def _success(since: dt.date, until: dt.date) -> Rate | None:
    sums = Tally.objects.filter(night__gte=since, night__lt=until).aggregate(n=Sum("graded"), good=Sum("successes"))
    return rate(sums["good"] or 0, sums["n"] or 0)


def task_rows(until: dt.date) -> dict[str, TaskRow]:
    """Every task type that was called in the 14 UTC days before `until`, by slug."""
    since = until - FORTNIGHT
    nights = _nights(since, until)
    rows = _rows("tasks", since=day_start(since), until=day_start(until))
    return {row["task_type"]: _task_row(row, nights.get(row["task_type"], {}), since) for row in rows}


def _nights(since: dt.date, until: dt.date) -> dict[str, dict[dt.date, tuple[int, int]]]:
    """(successes, graded) by task type and night."""
    found: dict[str, dict[dt.date, tuple[int, int]]] = {}
    sums = Tally.objects.filter(night__gte=since, night__lt=until).values("task_type", "night")
    for row in sums.annotate(n=Sum("graded"), good=Sum("successes")):
        found.setdefault(row["task_type"], {})[row["night"]] = (row["good"], row["n"])
    return found


def _task_row(row: dict[str, Any], nights: dict[dt.date, tuple[int, int]], since: dt.date) -> TaskRow:
    days = [since + dt.timedelta(days=n) for n in range(FORTNIGHT.days)]
    counts = [nights.get(day, (0, 0)) for day in days]
    calls, unpriced = int(row["calls"]), int(row["unpriced"])
    return TaskRow(
        task_type=row["task_type"],
        calls=calls,
        success=rate(sum(good for good, _ in counts), sum(n for _, n in counts)),
        nights=tuple(good / n if n else None for good, n in counts),
        total_p95_ms=None if row["p95"] is None else float(GROWTH ** (row["p95"] - 0.5)),
        cost_per_call_usd=row["cost_usd"] / (calls - unpriced) if calls > unpriced else None,
        unpriced=unpriced,
        simulated=row["simulated"],
    )


def _rows(name: str, **values: Any) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sql(name), values)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
