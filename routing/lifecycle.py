"""Models that end: which are deprecated, about to retire or retired, which routes still name them, and the alert in time."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from routing import alerts, snapshot
from routing.models import Alert
from routing.policy.table import Model
from routing.policy.warnings import RETIRING, endings
from routing.terms.words import Severity

CURRENT, DEPRECATED, ENDING, RETIRED = "current", "deprecated", "retiring", "retired"
KIND = "lifecycle"


@dataclass(frozen=True, slots=True)
class Ending:
    """A model whose vendor has said that it ends."""

    model: str  # "provider:model"
    upstream_id: str
    state: str  # current (the day is known, but far), deprecated, retiring (within 30 days) or retired
    deprecated_at: date | None
    retire_at: date | None
    days_left: int | None  # to the retirement; 0 or less: it is over
    routes: tuple[str, ...]  # that name it: "coding", "debugging?batch"
    text: str  # "sonnet-4.5 retires on 30 November 2026: choose what follows it."; "" while nothing is to be done


def listed(today: date | None = None) -> list[Ending]:
    """Every model of which an end is known, the next one first."""
    today, table = today or datetime.now(UTC).date(), snapshot.fresh().table
    used: dict[str, list[str]] = {}
    for route in table.routes.values():
        for step in route.steps:
            used.setdefault(step, []).append(route.name)
    found = [
        Ending(
            model=model.key,
            upstream_id=model.upstream_id,
            state=_state(model, today),
            deprecated_at=model.deprecated_at,
            retire_at=model.retire_at,
            days_left=(model.retire_at - today).days if model.retire_at else None,
            routes=tuple(sorted(used.get(model.key, ()))),
            text=next((each.text for each in endings(table, [model], today) if each.kind != "warning"), ""),
        )
        for model in table.models.values()
        if model.retire_at or model.deprecated_at
    ]
    return sorted(found, key=lambda each: (each.retire_at or date.max, each.model))


def _state(model: Model, today: date) -> str:
    if model.retire_at is not None and model.retire_at <= today:
        return RETIRED
    if model.retire_at is not None and model.retire_at - today <= RETIRING:
        return ENDING
    return DEPRECATED if model.deprecated_at is not None and model.deprecated_at <= today else CURRENT


def warn(today: date | None = None) -> list[Ending]:
    """Raise the alert of every model that a route names and that has retired or will within 30 days; resolve what is settled."""
    due = [each for each in listed(today) if each.routes and each.state in (ENDING, RETIRED)]
    keys = set()
    for each in due:
        key = f"{KIND}:{each.model}:{each.state}"
        keys.add(key)
        alerts.raise_alert(
            key,
            kind=KIND,
            title=each.text.partition(":")[0].rstrip("."),
            detail=f"{each.text} Routes that name it: {', '.join(each.routes)}.",
            severity=Severity.CRITICAL if each.state == RETIRED else Severity.WARNING,
            subject=f"model:{each.model}",
            url="/models",
        )
    for settled in Alert.objects.filter(kind=KIND, resolved_at=None).exclude(key__in=keys):
        alerts.resolve(settled.key)
    return due
