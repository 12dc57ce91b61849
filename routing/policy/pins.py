"""Which sessions keep a model that the table would not give them any more.

While nothing changes nobody has to remember a session: its draw says the same every time. A pin matters across a change of the route or of
the shares. It holds while its model may be called at all; one that only rests is passed over, and comes back.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta

from routing.policy.draw import canonical
from routing.policy.steps import explored, route_of
from routing.policy.table import Table
from routing.terms.candidate import Candidate, Pin
from routing.terms.request import Ask
from routing.terms.words import Role

IDLE = timedelta(hours=4)  # a session without a call for that long is over: its provider's cache has long gone too
_ARMS = (Role.PRIMARY, Role.EXPLORE)  # an override, or whoever stood in for the primary, pins nothing

Usual = Mapping[tuple[str, str], tuple[str, str]]  # (task type, scope) → (the primary, the share vector) of its calls


def scope_of(ask: Ask) -> str:
    """What of an ask chooses the route of its task type, in one word: a session keeps its model among calls that say the same."""
    project = ask.project or ""
    return f"{project}?{spelled(ask.context)}" if ask.context else project


def spelled(context: tuple[str, ...]) -> str:
    """The caller's conditions as a call's row has them."""
    return ",".join(context)[:200]


def pinned(table: Table, ask: Ask, pin: Pin, first: Candidate | None, now: datetime) -> Ask | None:
    """The ask of a session that began with the pin, to be planned anew; None where it goes as it would anyway.

    `first` is who would be asked first. Nothing is pinned while the caller names a model, or an author's to keep away from.
    """
    if pin.role not in _ARMS or (first is not None and first.key == pin.model and first.role in _ARMS):
        return None
    bound = replace(ask, pin=pin)
    return bound if in_force(table, bound, now) else None


def in_force(table: Table, ask: Ask, now: datetime) -> Pin | None:
    """The ask's pin while its model may be called at all: one that was switched off, or has retired, holds no session."""
    if ask.pin is None or ask.override is not None or ask.author is not None:
        return None
    model = table.models.get(ask.pin.model)
    if model is None or not (model.enabled and table.providers[model.provider].enabled):
        return None
    return None if model.retire_at is not None and model.retire_at <= now.date() else ask.pin


def usual(table: Table, today: date) -> Usual:
    """By which primary and shares a session begins today when nothing rests: what began so, is drawn so again.

    Two tables with the same usual ways draw the same arm for every session.
    """
    return {(task, scope): way for task, scope, way in _ways(table, today)}


def _ways(table: Table, today: date) -> Iterator[tuple[str, str, tuple[str, str]]]:
    asks: set[tuple[str, str | None, tuple[str, ...]]]
    asks = {(task, project, ()) for task in table.task_types for project in (None, *table.projects)}
    asks |= {(task, project, (condition,) if condition else ()) for task, project, condition in table.routes}
    for task, project, context in asks:
        ask = Ask(task, project=project, context=context)
        route, _ = route_of(table, ask)
        if route is None or not route.steps:
            continue
        exploration = explored(table, task, route, today)
        shares: list[tuple[str, float]] = []
        if exploration is not None:
            each = exploration.share / len(exploration.challengers)
            shares = [(key, each) for key in exploration.challengers if key != route.steps[0]]
        shares.append((route.steps[0], 1.0 - sum(share for _, share in shares)))
        yield task, scope_of(ask), (route.steps[0], canonical(shares))
