"""One task type: how its models do, what is compared, who judges, what watches."""

import datetime as dt
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone

from analytics import explorations, queries, standing
from analytics.arms import current_routes
from analytics.charts import models as charts
from analytics.charts.plot import Plot
from analytics.models import Comparison, Guard
from analytics.queries import ModelRow
from analytics.views.differences import Strength, alarm, strength
from routing import catalogue
from routing.models import TaskType
from routing.terms.words import ProposalStatus
from routing.views.access import page

PERIODS = (7, 28, 90)
POINTS = 13  # of a line over time, at most about
MIN_PLOTTED = 5  # graded items below which a model's success is no point in a plot


@dataclass(frozen=True, slots=True)
class Compared:
    """A challenger of the incumbent tonight: proposed, or why not yet."""

    one: Comparison
    strength: Strength
    sentence: str


@dataclass(frozen=True, slots=True)
class Guarded:
    """What watches one model on this route."""

    one: Guard
    strength: Strength


@page()
def task(request: HttpRequest, slug: str) -> HttpResponse:
    one = get_object_or_404(TaskType, slug=slug.replace("\x00", ""))
    days = _period(request.GET.get("days"))
    until = timezone.now().astimezone(dt.UTC).date() + dt.timedelta(days=1)
    since = until - dt.timedelta(days=days)
    rows = queries.models(since, until, slug)
    known = catalogue.models_now()
    context = {
        "task": one,
        "days": days,
        "periods": PERIODS,
        "since": since,
        "rows": rows,
        "is_simulated": bool(rows) and all(row.simulated for row in rows),
        "over_time": _over_time(since, until, slug, max(1, days // POINTS)),
        "pareto": _pareto(rows, standing.cost_errors(since, until, slug)),
        "sizes": standing.sizes(since, until, slug),
        "edges": standing.edges(slug),
        "compared": [_compared(each) for each in queries.comparisons(slug)],
        "last_night": queries.last_night(),
        "proposal": queries.proposals(ProposalStatus.OPEN, slug).first(),
        "sources": standing.sources(one),
        "last_items": standing.LAST_ITEMS,
        "explorations": explorations.current().filter(task_type=one),
        "guards": [_guarded(each) for each in queries.guards().filter(task_type=slug).exclude(state="ended")[:6]],
        "chain": [known.get(key) or catalogue.unknown(key) for key in current_routes().get(slug, [])],
    }
    return render(request, "analytics/task.html", context)


def _period(text: str | None) -> int:
    """One of PERIODS; 28 for anything else."""
    return next((days for days in PERIODS if text == str(days)), 28)


def _over_time(since: dt.date, until: dt.date, slug: str, nights_each: int) -> Plot | None:
    series = {
        model: [
            charts.Point(each.first, each.success.share, each.success.interval.low, each.success.interval.high, each.success.n)
            for each in found
        ]
        for model, found in standing.stretches(since, until, slug, nights=nights_each).items()
    }  # fmt: skip
    return charts.success_over_time(series) if any(series.values()) else None


def _pareto(rows: list[ModelRow], errors: dict[str, float]) -> Plot | None:
    found = [_standing(row, errors.get(row.model)) for row in rows if _is_plotted(row)]
    return charts.success_against_cost(found) if found else None


def _is_plotted(row: ModelRow) -> bool:
    return row.success is not None and row.success.n >= MIN_PLOTTED and row.cost_per_item_usd is not None


def _standing(row: ModelRow, error: float | None) -> charts.Standing:
    success, cost = row.success, float(row.cost_per_item_usd or 0)
    assert success is not None  # noqa: S101 - _is_plotted
    return charts.Standing(
        key=row.model,
        success=success.share,
        success_low=success.interval.low,
        success_high=success.interval.high,
        n=success.n,
        cost=cost,
        cost_low=None if error is None else max(cost - error, 0.0),
        cost_high=None if error is None else cost + error,
    )


def _compared(one: Comparison) -> Compared:
    return Compared(one, strength(one.log_e, one.log_threshold), one.result.get("sentence", ""))


def _guarded(one: Guard) -> Guarded:
    return Guarded(one, alarm(one.log_e))
