"""What pages, exports and the API read: frozen rows from rollups, tallies and comparisons, never from raw calls.

Periods are [since, until) in UTC days. The same function serves page and API, so that their numbers agree.
"""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import F, Max, QuerySet, Sum, Value
from django.db.models.functions import Concat, TruncDate

from analytics.models import Comparison, Guard, Proposal, Review, Rollup, Tally
from analytics.rollups import histogram
from analytics.statements import day_start, sql
from analytics.stats.histograms import GROWTH
from analytics.stats.rates import wilson_interval
from analytics.stats.results import Interval
from routing.models import Alert, JobRun

MODEL = Concat(F("provider"), Value(":"), F("model"))


@dataclass(frozen=True, slots=True)
class Rate:
    """A share with its n and 95 % Wilson interval. A rate never stands without its n."""

    successes: int
    n: int
    interval: Interval

    @property
    def share(self) -> float:
        return self.interval.estimate


def rate(successes: int, n: int) -> Rate | None:
    """None when nothing was counted: unknown is not 0."""
    return Rate(successes, n, Interval(successes / n, *wilson_interval(successes, n))) if n else None


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model at one task type over a period, whatever the role."""

    task_type: str
    model: str  # "provider:model"
    simulated: bool
    attempts: int
    share: float  # of the task type's attempts
    availability: Rate | None  # attempts that were no provider fault
    success: Rate | None  # graded work items whose output achieved the task
    graded_share: Rate | None  # graded among those to be graded
    ttft_p50_ms: float | None
    ttft_p95_ms: float | None
    total_p50_ms: float | None
    total_p95_ms: float | None
    cost_usd: Decimal
    cost_per_item_usd: Decimal | None  # priced work items
    cost_per_success_usd: Decimal | None
    input_tokens: int
    output_tokens: int
    unpriced: int  # attempts that used tokens and have no price


@dataclass(frozen=True, slots=True)
class Totals:
    """A period in one line."""

    calls: int
    ok: Rate | None  # attempts answered
    success: Rate | None
    total_p95_ms: float | None
    cost_usd: Decimal
    unpriced: int


@dataclass(frozen=True, slots=True)
class Day:
    """One model's day at one task type, for lines over time."""

    day: dt.date
    task_type: str
    model: str
    attempts: int
    cost_usd: Decimal
    success: Rate | None


def models(since: dt.date, until: dt.date, task_type: str | None = None) -> list[ModelRow]:
    """Every model that was tried in the period, by task type, the most used first."""
    latencies = _latencies(since, until, task_type)
    return [_model_row(row, latencies) for row in _rows("models", since, until, task_type)]


def _model_row(
    row: dict[str, Any], latencies: dict[tuple[str, str, str], tuple[float | None, float | None]]
) -> ModelRow:
    n = {
        name: int(row[name])
        for name in ("attempts", "of_task", "faults", "priced", "drawn", "graded", "successes", "unpriced")
    }
    per_item = row["item_cost"] / n["priced"] if n["priced"] else None
    success = rate(n["successes"], n["graded"])
    total = latencies.get((row["task_type"], row["model"], "total"), (None, None))
    ttft = latencies.get((row["task_type"], row["model"], "ttft"), (None, None))
    return ModelRow(
        task_type=row["task_type"],
        model=row["model"],
        simulated=row["simulated"],
        attempts=n["attempts"],
        share=n["attempts"] / n["of_task"],
        availability=rate(n["attempts"] - n["faults"], n["attempts"]),
        success=success,
        graded_share=rate(n["graded"], n["drawn"]),
        ttft_p50_ms=ttft[0],
        ttft_p95_ms=ttft[1],
        total_p50_ms=total[0],
        total_p95_ms=total[1],
        cost_usd=row["cost_usd"],
        cost_per_item_usd=per_item,
        cost_per_success_usd=per_item / Decimal(success.share)
        if per_item is not None and success and success.successes
        else None,
        input_tokens=int(row["input_tokens"]),
        output_tokens=int(row["output_tokens"]),
        unpriced=n["unpriced"],
    )


def _latencies(
    since: dt.date, until: dt.date, task_type: str | None
) -> dict[tuple[str, str, str], tuple[float | None, float | None]]:
    """(median, 95th percentile) in ms by (task type, model, "total" or "ttft"), within 1 %."""
    return {
        (row["task_type"], row["model"], row["what"]): (_middle(row["p50"]), _middle(row["p95"]))
        for row in _rows("latencies", since, until, task_type)
    }


def _middle(bucket: int | None) -> float | None:
    return None if bucket is None else float(GROWTH ** (bucket - 0.5))


def _rows(name: str, since: dt.date, until: dt.date, task_type: str | None) -> list[dict[str, Any]]:
    values = {
        "since": day_start(since),
        "until": day_start(until),
        "first": since,
        "end": until,
        "task_type": task_type,
    }
    with connection.cursor() as cursor:
        cursor.execute(sql(name), values)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def totals(since: dt.date, until: dt.date, task_type: str | None = None) -> Totals:
    """The period in one line."""
    rollups, tallies = _period(since, until, task_type)
    sums = rollups.aggregate(
        calls=Sum("firsts", default=0), tried=Sum("attempts", default=0), ok=Sum("ok", default=0),
        cost=Sum("cost_usd", default=Decimal(0)), unpriced=Sum("unpriced", default=0),
    )  # fmt: skip
    graded = tallies.aggregate(n=Sum("graded", default=0), successes=Sum("successes", default=0))
    buckets = histogram(rollups.values_list("total_buckets", "total_counts").iterator())
    return Totals(
        calls=sums["calls"],
        ok=rate(sums["ok"], sums["tried"]),
        success=rate(graded["successes"], graded["n"]),
        total_p95_ms=buckets.quantile(0.95),
        cost_usd=sums["cost"],
        unpriced=sums["unpriced"],
    )


def days(since: dt.date, until: dt.date, task_type: str | None = None) -> list[Day]:
    """Day by day, every model at every task type that it was tried at; only days with attempts."""
    rollups, tallies = _period(since, until, task_type)
    sums = tallies.values("night", "task_type", "model").annotate(n=Sum("graded"), good=Sum("successes"))
    graded = {(row["night"], row["task_type"], row["model"]): rate(row["good"], row["n"]) for row in sums}
    rows = rollups.annotate(day=TruncDate("hour", tzinfo=dt.UTC), key=MODEL).values("day", "task_type", "key")
    rows = rows.annotate(n=Sum("attempts"), cost=Sum("cost_usd")).order_by("day", "task_type", "key")
    return [
        Day(
            row["day"],
            row["task_type"],
            row["key"],
            row["n"],
            row["cost"],
            graded.get((row["day"], row["task_type"], row["key"])),
        )
        for row in rows
    ]


def _period(since: dt.date, until: dt.date, task_type: str | None) -> tuple[QuerySet[Rollup], QuerySet[Tally]]:
    only = {"task_type": task_type} if task_type else {}
    rollups = Rollup.objects.filter(hour__gte=day_start(since), hour__lt=day_start(until), **only)
    return rollups, Tally.objects.filter(night__gte=since, night__lt=until, **only)


# ── evidence and decisions ──


def last_night() -> dt.date | None:
    """The newest night that was ever run: what it found stands until it is run again, also while it waits for that."""
    key = JobRun.objects.filter(job="nightly").exclude(finished_at=None).aggregate(key=Max("key"))["key"]
    return dt.date.fromisoformat(key) if key else None


def comparisons(task_type: str | None = None, as_of: dt.date | None = None) -> list[Comparison]:
    """The comparisons of a night, the newest one run unless `as_of` names another, by task type and challenger."""
    night = as_of or last_night()
    rows = Comparison.objects.filter(night=night) if night else Comparison.objects.none()
    return list(
        (rows.filter(task_type=task_type) if task_type else rows).order_by("task_type", "incumbent", "challenger")
    )


def trail(one: Comparison) -> list[dict[str, Any]]:
    """The evidence night by night up to this one, from the beginning of the incumbent's run: `stats.results.NightPoint` as JSON."""
    newest = Comparison.objects.filter(
        task_type=one.task_type, incumbent=one.incumbent, challenger=one.challenger, simulated=one.simulated,
        definition=one.definition, since=one.since, night__gte=one.night,
    ).order_by("-night").first()  # fmt: skip
    night = one.night.isoformat()
    return [point for point in (newest.trail if newest else one.trail) if point["night"] <= night]


def comparison_of(proposal: Proposal) -> Comparison | None:
    """The comparison that a proposal shows."""
    rows = Comparison.objects.filter(
        task_type=proposal.task_type, incumbent=proposal.from_model, challenger=proposal.to_model, night=proposal.as_of
    )
    return rows.order_by("-since").first()


@dataclass(frozen=True, slots=True)
class Realised:
    """What an approved change's model did as primary since the night after the decision."""

    since: dt.date
    success: Rate | None
    cost_per_item_usd: Decimal | None  # priced work items
    items: int


def realised(proposal: Proposal, until: dt.date | None = None) -> Realised:
    """Beside what was predicted: the nights of [the night after the decision, until)."""
    since = (proposal.decided_at or proposal.created_at).astimezone(dt.UTC).date() + dt.timedelta(days=1)
    served = Tally.objects.filter(
        task_type=proposal.task_type, model=proposal.to_model, role="primary", night__gte=since
    )
    sums = (served.filter(night__lt=until) if until else served).aggregate(
        n=Sum("graded", default=0), good=Sum("successes", default=0), items=Sum("opened", default=0),
        priced=Sum("priced", default=0), cost=Sum("cost_usd", default=Decimal(0)),
    )  # fmt: skip
    per_item = sums["cost"] / sums["priced"] if sums["priced"] else None
    return Realised(since, rate(sums["good"], sums["n"]), per_item, sums["items"])


def proposals(status: str | None = None, task_type: str | None = None) -> QuerySet[Proposal]:
    """Proposals, the newest first."""
    wanted = {name: value for name, value in (("status", status), ("task_type", task_type)) if value}
    return Proposal.objects.filter(**wanted).order_by("-pk")


def guards() -> QuerySet[Guard]:
    return Guard.objects.order_by("task_type", "-since")


def reviews() -> QuerySet[Review]:
    return Review.objects.order_by("-week")


def alerts(*, is_open: bool = True) -> QuerySet[Alert]:
    rows = Alert.objects.order_by("-pk")
    return rows.filter(resolved_at=None) if is_open else rows
