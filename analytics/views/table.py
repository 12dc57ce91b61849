"""The routing table with what it achieves: one row a task type, its routes for projects and conditions under it."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from analytics import pulse, queries
from analytics.models import Proposal
from routing import catalogue
from routing.catalogue import ModelNow
from routing.document import rows
from routing.models import Revision, TaskType
from routing.terms.candidate import Warning
from routing.terms.words import ProposalStatus
from routing.views.access import page


@dataclass(frozen=True, slots=True)
class RouteRow:
    """One route: its chain as models, what is odd about it."""

    project: str | None
    condition: str
    chain: list[ModelNow]
    note: str
    flags: list[str]
    warnings: tuple[Warning, ...]

    @property
    def query(self) -> str:
        """What its address has behind the task type's."""
        place = {name: value for name, value in (("project", self.project), ("condition", self.condition)) if value}
        return f"?{urlencode(place)}" if place else ""


@dataclass(frozen=True, slots=True)
class Row:
    """One task type: its main route, the others, a fortnight's figures, what waits, who changed it last."""

    task: TaskType
    route: RouteRow | None
    others: list[RouteRow]
    figures: pulse.TaskRow | None
    proposal: Proposal | None
    last: Revision | None


@page()
def table(request: HttpRequest) -> HttpResponse:
    """The page, or its rows where htmx asks: after a filter, after a publication."""
    words = request.GET.get("q", "").strip()
    everything = _rows(timezone.now())
    shown = [row for row in everything if _has(row, words)]
    part = "#rows" if request.htmx and not request.htmx.boosted else ""  # type: ignore[attr-defined]
    context = {"rows": shown, "q": words, "total": len(everything)}
    return render(request, f"analytics/table.html{part}", context)


def _rows(now: dt.datetime) -> list[Row]:
    routes: dict[str, list[dict[str, Any]]] = {}
    for part in rows.dump()["routes"].values():
        routes.setdefault(part["task_type"], []).append(part)
    models = catalogue.models_now(now)
    figures = pulse.task_rows(now.date())
    waiting = {one.task_type: one for one in queries.proposals(ProposalStatus.OPEN).reverse()}
    changed = catalogue.last_changes()
    found = []
    for task in TaskType.objects.filter(enabled=True).order_by("name", "slug"):
        made = [_route_row(part, task, models) for part in routes.get(task.slug, ())]
        main = next((route for route in made if not route.project and not route.condition), None)
        others = sorted(
            (each for each in made if each is not main), key=lambda each: (each.project or "", each.condition)
        )
        found.append(Row(task, main, others, figures.get(task.slug), waiting.get(task.slug), changed.get(task.slug)))
    return sorted(found, key=lambda row: row.route is None)


def _route_row(part: Mapping[str, Any], task: TaskType, models: Mapping[str, ModelNow]) -> RouteRow:
    words = {
        "background": "background",
        "tier_chain": "then the tier chain",
        "terminal_local": "ends local",
        "second_opinion": "second opinion",
    }
    flags = [word for name, word in words.items() if part[name]]
    return RouteRow(
        project=part["project"],
        condition=part["condition"],
        chain=[models.get(key) or catalogue.unknown(key) for key in part["steps"]],
        note=part["note"],
        flags=flags + ([] if part["fallback"] else ["no fallback"]),
        warnings=catalogue.warnings(part),
    )


def _has(row: Row, words: str) -> bool:
    """Whether each word stands in the task's names, its models, its notes or its states."""
    routes = [row.route, *row.others] if row.route else row.others
    told = [row.task.slug, row.task.name, *row.task.aliases]
    for route in routes:
        told += [route.project or "", route.condition, route.note, *(each.short for each in route.warnings)]
        told += [f"{model.key} {model.health}" for model in route.chain]
    text = " ".join(told).lower()
    return all(word in text for word in words.lower().split())
