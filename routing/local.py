"""The local plan: routes that begin with a model of one's own server, kept aside until a person switches them on in one step.

While it is off, the plan stands as the routes with the condition `local`. Switching it on asks the server first, then publishes one
revision: the provider gets its address and is enabled, models that the server lacks are disabled, and each route of the plan whose model is
there changes places with the plain route of its task, which stands under `without_local` meanwhile. Switching it off changes them back,
with whatever was edited in between. Ollama is the provider of the seed; any other OpenAI-compatible one will do.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from routing import changes, discovery, document, upstreams
from routing.audit import SYSTEM, Actor
from routing.discovery import Answered, Unreachable, wire_url
from routing.document import Invalid, Problem, rows
from routing.document.table import Part, Table, key_of, nearest
from routing.models import Provider
from routing.versions import current_revision

PROVIDER = "ollama"  # of the seed's plan
USUAL_URL = "http://127.0.0.1:11434"  # where Ollama listens unless it is told otherwise
PLANNED, ASIDE = "local", "without_local"  # conditions of the routes that wait

Document = dict[str, list[Part]]


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model of the plan."""

    key: str  # "ollama:local"
    upstream_id: str
    served: bool | None  # by the server as it answers now; None: it did not answer
    mend: str = ""  # what to do about one that is not served


@dataclass(frozen=True, slots=True)
class LocalRoute:
    """A route of the plan."""

    name: str  # "quick_capture", "bulk_ops@site"
    steps: tuple[str, ...]
    in_force: bool


@dataclass(frozen=True, slots=True)
class Local:
    """How it stands with local models."""

    provider: str
    base_url: str | None
    enabled: bool
    answers: bool
    problem: str  # why it does not answer; "" when it does
    total_ms: float | None  # that its answer took
    served: tuple[str, ...]  # names of models, as the server has them
    models: tuple[LocalModel, ...]
    routes: tuple[LocalRoute, ...]
    revision: int

    @property
    def is_on(self) -> bool:
        return self.enabled and any(route.in_force for route in self.routes)

    @property
    def missing(self) -> tuple[LocalModel, ...]:
        return tuple(model for model in self.models if model.served is False)


def status(provider: str = PROVIDER) -> Local:
    """What is switched on, whether the server answers now, and what it lacks. Raises discovery.Unknown."""
    answer, problem = None, ""
    try:
        answer = discovery.ask(provider)
    except (Unreachable, upstreams.Refused) as error:
        problem = str(error)
    return _local(provider, answer, problem)


def switch_on(
    base_url: str | None = None,
    *,
    by: Actor,
    source: str = "console",
    provider: str = PROVIDER,
    models: Mapping[str, str] | None = None,
    expected_revision: int | None = None,
    reason: str = "",
) -> Local:
    """Ask the server, then put its address and the plan's routes in force in one revision; without an address, where it was last.

    `models` says which of the server's models stands for one of the plan: {"local": "Qwen/Qwen2.5-14B-Instruct"}. Safe to repeat: what the
    server has got since comes into force too. Raises discovery.Unknown, Unreachable, Invalid, changes.Stale.
    """
    row = Provider.objects.filter(slug=provider).first()
    if row is None:
        raise discovery.Unknown(f"There is no provider {provider!r}.")
    url = wire_url(base_url) if base_url else row.base_url or wire_url(USUAL_URL)
    try:
        answer = discovery.ask(provider, url)
    except upstreams.Refused as error:
        raise Invalid([Problem("base_url", str(error))]) from None
    edit = _on(provider, url, answer, dict(models or {}))
    why = reason or f"Local models switched on: {provider} answers at {url}"
    _publish(edit, by=by, source=source, reason=why, expected_revision=expected_revision)
    return _local(provider, answer, "")


def switch_off(
    *,
    by: Actor,
    source: str = "console",
    provider: str = PROVIDER,
    expected_revision: int | None = None,
    reason: str = "",
) -> Local:
    """Disable the provider and give every task back the route that it had, in one revision; the address is kept.

    Raises discovery.Unknown, changes.Stale.
    """
    if not Provider.objects.filter(slug=provider).exists():
        raise discovery.Unknown(f"There is no provider {provider!r}.")
    why = reason or "Local models switched off"
    _publish(_off(provider), by=by, source=source, reason=why, expected_revision=expected_revision)
    return _local(provider, None, "switched off")


def follow_environment(by: Actor = SYSTEM) -> str:
    """Switch on what OLLAMA_BASE_URL names, where nobody decided otherwise by hand; a sentence when it stays off, else ""."""
    text = os.environ.get("OLLAMA_BASE_URL", "").strip()
    row = Provider.objects.filter(slug=PROVIDER).first()
    if not text or row is None:
        return ""
    url = wire_url(text)
    if row.edited_at is not None:
        is_so = row.enabled and row.base_url == url
        return (
            ""
            if is_so
            else f"OLLAMA_BASE_URL is left alone: {PROVIDER} was changed by hand. `manage.py local on` uses it."
        )
    try:
        switch_on(url, by=by, source="environment", reason=f"OLLAMA_BASE_URL is {url}")
    except (Unreachable, Invalid) as error:
        return f"Local models stay as they are, OLLAMA_BASE_URL notwithstanding: {error}"
    return ""


def _publish(edit: Callable[[Document], Document], **how: Any) -> None:
    with transaction.atomic():
        changes.publish(edit, **how)
        document.apply_environment(how["by"])  # a local server that answers is real: nothing is made up beside it


def _on(provider: str, url: str, answer: Answered, bound: dict[str, str]) -> Callable[[Document], Document]:
    def edit(whole: Document) -> Document:
        problems = list(_unbindable(whole, provider, answer, bound))
        if problems:
            raise Invalid(problems)
        for part in whole["providers"]:
            if part["slug"] == provider:
                part |= {"base_url": url, "enabled": True}
        plan = _models_of_plan(whole["routes"], provider)
        for part in whole["models"]:
            if part["provider"] == provider and part["slug"] in bound:
                part["upstream_id"] = bound[part["slug"]]
            if key_of("models", part) in plan:
                part["enabled"] = _is_served(part["upstream_id"], answer.served)
        there = {key_of("models", part) for part in whole["models"] if part["enabled"]}
        _arrange(whole["routes"], provider, lambda first: first in there)
        return whole

    return edit


def _off(provider: str) -> Callable[[Document], Document]:
    def edit(whole: Document) -> Document:
        for part in whole["providers"]:
            if part["slug"] == provider:
                part["enabled"] = False
        _arrange(whole["routes"], provider, lambda first: False)
        return whole

    return edit


def _arrange(routes: list[Part], provider: str, is_there: Callable[[str], bool]) -> None:
    """Put each route of the plan in force whose first model is there, and every other one aside."""
    by_place = {(part["task_type"], part["project"], part["condition"]): part for part in routes}
    for task, project in {(part["task_type"], part["project"]) for part in routes}:
        plain = by_place.get((task, project, ""))
        planned, aside = by_place.get((task, project, PLANNED)), by_place.get((task, project, ASIDE))
        if planned and plain and not aside and _begins_at(planned, provider) and is_there(planned["steps"][0]):
            planned["condition"], plain["condition"] = "", ASIDE
        elif aside and plain and not planned and _begins_at(plain, provider) and not is_there(plain["steps"][0]):
            plain["condition"], aside["condition"] = PLANNED, ""


def _begins_at(part: Part, provider: str) -> bool:
    return bool(part["steps"]) and part["steps"][0].partition(":")[0] == provider


def _models_of_plan(routes: Sequence[Part], provider: str) -> list[str]:
    """ "provider:model" of every model of the provider that some route names, in the order of the routes."""
    steps = [step for part in routes for step in part["steps"] if step.partition(":")[0] == provider]
    return list(dict.fromkeys(steps))


def _unbindable(whole: Document, provider: str, answer: Answered, bound: Mapping[str, str]) -> list[Problem]:
    known = [part["slug"] for part in whole["models"] if part["provider"] == provider]
    problems = []
    for slug, upstream_id in bound.items():
        if slug not in known:
            problems.append(Problem(f"models.{slug}", f"no model '{slug}' of {provider}{nearest(slug, known)}"))
        elif not _is_served(upstream_id, answer.served):
            told = f"the server has no '{upstream_id}'{nearest(upstream_id, answer.served)}"
            problems.append(Problem(f"models.{slug}", told))
    return problems


def _is_served(upstream_id: str, served: Sequence[str]) -> bool:
    """Ollama lists `nomic-embed-text:latest` for what is called by `nomic-embed-text`."""
    return upstream_id in served or f"{upstream_id}:latest" in served


def _local(provider: str, answer: Answered | None, problem: str) -> Local:
    table = rows.dump()
    part = table["providers"].get(provider)
    if part is None:
        raise discovery.Unknown(f"There is no provider {provider!r}.")
    plan = _models_of_plan(list(table["routes"].values()), provider)
    return Local(
        provider=provider,
        base_url=part["base_url"],
        enabled=part["enabled"],
        answers=answer is not None,
        problem=problem,
        total_ms=answer.total_ms if answer else None,
        served=answer.served if answer else (),
        models=tuple(_model(key, table["models"][key]["upstream_id"], answer) for key in plan),
        routes=_routes(table, provider),
        revision=current_revision(),
    )


def _model(key: str, upstream_id: str, answer: Answered | None) -> LocalModel:
    if answer is None:
        return LocalModel(key, upstream_id, None)
    if answer.simulated or _is_served(upstream_id, answer.served):
        return LocalModel(key, upstream_id, True)
    return LocalModel(key, upstream_id, False, f"ollama pull {upstream_id}{nearest(upstream_id, answer.served)}")


def _routes(table: Table, provider: str) -> tuple[LocalRoute, ...]:
    found = []
    for part in table["routes"].values():
        place = {"task_type": part["task_type"], "project": part["project"]}
        waits = part["condition"] == PLANNED
        holds = part["condition"] == "" and key_of("routes", {**place, "condition": ASIDE}) in table["routes"]
        if (waits or holds) and _begins_at(part, provider):
            found.append(LocalRoute(key_of("routes", place), tuple(part["steps"]), holds))
    return tuple(sorted(found, key=lambda route: route.name))
