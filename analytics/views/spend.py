"""What was spent in a period, by whom and on what; what has no price is listed."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from analytics import queries, spend
from analytics.charts import spend as charts
from analytics.charts.plot import Plot
from analytics.queries import ModelRow
from analytics.spend import Line
from routing import budgets
from routing.views.access import page

PERIODS = (7, 28, 90)
SHOWN = 25  # lines of a table
TITLES = {
    "provider": "Provider",
    "model": "Model",
    "task_type": "Task type",
    "project": "Project",
    "client": "Client",
}
KINDS = {"all": None, "real": False, "simulated": True}


@dataclass(frozen=True, slots=True)
class Table:
    """One way to cut the period's spend."""

    name: str
    title: str
    lines: list[Line]
    rest: int  # lines that are not shown


@page()
def every(request: HttpRequest) -> HttpResponse:
    days = next((each for each in PERIODS if request.GET.get("days") == str(each)), 28)
    kind = request.GET.get("kind", "all")
    simulated = KINDS.get(kind)
    until = timezone.now().astimezone(dt.UTC).date() + dt.timedelta(days=1)
    since = until - dt.timedelta(days=days)
    cut = {name: spend.by(name, since, until, simulated=simulated) for name in spend.DIMENSIONS}
    lines = cut["provider"]
    before = spend.by("provider", since - dt.timedelta(days=days), since, simulated=simulated)
    total, earlier = (sum((line.cost_usd for line in each), Decimal(0)) for each in (lines, before))
    context = {
        "days": days,
        "periods": PERIODS,
        "kind": kind if kind in KINDS else "all",
        "kinds": list(KINDS),
        "since": since,
        "tables": [Table(name, TITLES[name], each[:SHOWN], max(len(each) - SHOWN, 0)) for name, each in cut.items()],
        "total": total,
        "change": float(total / earlier) - 1 if earlier else None,
        "attempts": sum(line.attempts for line in lines),
        "unpriced": (unpriced := sum(line.unpriced for line in lines)),
        "is_simulated": bool(lines) and all(line.simulated for line in lines),
        "some_simulated": any(line.simulated for line in lines),
        "free": _free(since, until, simulated) if unpriced else [],
        "budgets": budgets.standings(timezone.now()),
        "plot": _plot(since, until) if simulated is None else None,
    }
    return render(request, "analytics/spend.html", context)


def _free(since: dt.date, until: dt.date, simulated: bool | None) -> list[ModelRow]:
    """Who has no price, at which task type."""
    return [row for row in queries.models(since, until) if row.unpriced and simulated in (None, row.simulated)]


def _plot(since: dt.date, until: dt.date) -> Plot | None:
    spent: dict[tuple[dt.date, str], float] = {}
    for day in queries.days(since, until):
        spent[day.day, day.model] = spent.get((day.day, day.model), 0.0) + float(day.cost_usd)
    return charts.by_day(spent) if any(spent.values()) else None
