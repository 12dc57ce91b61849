"""Adoption without rewriting: what a client's model names mean is decided here, name by name, and tried before anything is switched."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from routing import clients, snapshot
from routing.audit import Actor
from routing.models import Client
from routing.policy import resolve
from routing.terms.request import Ask
from routing.terms.words import ClientMode

MOST_RULES = 200  # of a mapping: each call of the client may look at all of them
MOST_IGNORED = 500
LONGEST_NAME = 200
TRIES = 5  # at a change that others keep overtaking


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a call of the client that names `name` as its model would be now."""

    name: str
    task_type: str | None  # None: the model itself is meant
    rule: int | None  # which rule of the mapping says so, counted from 1; None: none
    asked_for: str | None  # "provider:model" that bears the name; None: no model does
    served_by: str | None  # "provider:model" that would be asked first now; None: nothing could be
    is_observed: bool  # served by the very model that is named
    problem: str  # why the call would be refused; "" where it would not


def meaning(client: Client, name: str) -> Meaning:
    """The same as dispatch would make of it, without a call. No headers are thought of: they would go before the name."""
    known, name = snapshot.fresh(), name.strip()[:LONGEST_NAME]
    table = known.table
    mapping = [(rule.requested, rule.task_type.slug) for rule in client.mapping.all()]
    default = client.default_task_type.slug if client.default_task_type else None
    is_model = not name.startswith(resolve.TASK) and name != resolve.AUTO
    place, task, asked_for, problem = resolve.mapped(name, mapping) if is_model else None, None, None, ""
    try:
        task = resolve.named_task(table, name, mapping, default)
        if task is None and not is_model:
            problem = "The client has no default task type: auto means nothing."
    except resolve.Unknown as error:
        problem = str(error)
    is_observed = is_model and (task is None or client.mode == ClientMode.OBSERVE)
    try:
        asked_for = resolve.requested(table, name) if is_model else None
    except resolve.Ambiguous as error:
        problem = str(error) if is_observed else problem
    except resolve.Unknown as error:
        words = str(error)
        if client.mode == ClientMode.OBSERVE:
            words = f"{words} With its vendor's credential beside its key that vendor would serve it all the same."
        problem = words if is_observed else problem
    ask = Ask(
        task or default or "",
        project=client.project.slug if client.project else None,
        override=asked_for if is_observed else None,
        is_observed=is_observed,
        fallback="none" if is_observed else "route",
        allowed_models=None if client.allowed_models is None else frozenset(client.allowed_models),
        client=client.slug,
    )
    served = None
    if not problem:
        plan = known.plan(ask, timezone.now())
        served = plan.candidates[0].key if plan.candidates else None
        if served is None:
            why = "; ".join(f"{each.key}: {each.detail or each.reason}" for each in plan.skipped[:3])
            problem = f"Nothing could serve it now{f': {why}' if why else ''}."
    return Meaning(name, task, None if place is None else place + 1, asked_for, served, is_observed, problem)


def accept(slug: str, requested: str, task_type: str, *, by: Actor) -> Client:
    """Let the pattern mean the task type, after all rules that are there. Raises clients.Refused."""
    if not requested or len(requested) > LONGEST_NAME or "\0" in requested:
        raise clients.Refused(f"A name of a model has 1 to {LONGEST_NAME} characters.")

    def add(row: Client) -> dict[str, Any]:
        mapping: list[dict[str, str]] = clients.told(row)["mapping"]
        there = next((rule for rule in mapping if rule["requested"].lower() == requested.lower()), None)
        if there is not None:
            raise clients.Refused(f"{requested} means {there['task_type']} already.")
        if len(mapping) >= MOST_RULES:
            raise clients.Refused(
                f"A mapping has at most {MOST_RULES} rules: let one pattern with * stand for several."
            )
        ignored = [each for each in row.ignored if each != requested]
        return {"mapping": [*mapping, {"requested": requested, "task_type": task_type}], "ignored": ignored}

    return _changed(slug, add, by)


def ignore(slug: str, requested: str, *, by: Actor, undo: bool = False) -> Client:
    """Suggest nothing for the pattern any more, or again. Its calls are served as before. Raises clients.Refused."""
    if not requested or len(requested) > LONGEST_NAME or "\0" in requested:
        raise clients.Refused(f"A name of a model has 1 to {LONGEST_NAME} characters.")

    def put(row: Client) -> dict[str, Any]:
        others = [each for each in row.ignored if each != requested]
        return {"ignored": others if undo else [*others, requested][-MOST_IGNORED:]}

    return _changed(slug, put, by)


def _changed(slug: str, change: Callable[[Client], dict[str, Any]], by: Actor) -> Client:
    """The client with the change that follows from it as it is, whoever else changes it at the same time."""
    for _ in range(TRIES):
        row = Client.objects.filter(slug=slug).first()
        if row is None:
            raise clients.Refused(f"There is no client {slug!r}.")
        try:
            return clients.save_client(slug, change(row), by=by, version=row.version)
        except clients.Stale:
            continue
    raise clients.Refused(f"Others keep changing the client {slug!r}: try again.")
