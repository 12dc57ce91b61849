"""The other form that `load` takes: `.stravinsky/routing.json`, tasks on models with a chain of providers behind them."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError

from routing.document import rows
from routing.document.checks import model_names, task_names
from routing.document.form import Line, Note, Part, Seconds
from routing.document.table import Invalid, Problem, Table, nearest, problems_of

PROVIDERS = {"claude": "anthropic"}  # its word → ours, where they differ
SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,119}")
FormT = TypeVar("FormT", bound=Part)
BACK = {ours: theirs for theirs, ours in PROVIDERS.items()}


class Target(Part):
    provider: Line
    model: Line
    description: Note = ""


class Fallback(Part):
    enabled: bool = True
    chain: list[Line] = []
    cooldown_seconds: Annotated[Seconds, Field(le=3600)] = 300


def read(raw: Mapping[str, Any], project: str | None = None) -> dict[str, Any]:
    """The file as a fragment of our document; routes of `project` when one is named. Raises Invalid with every path of the file."""
    problems: list[Problem] = []
    top = _object(raw, "", ("routing",), problems)
    routing = _object(top.get("routing"), "routing", ("task_routing", "fallback"), problems)
    tasks = _object(routing.get("task_routing", {}), "routing.task_routing", None, problems)
    fallback = _form(Fallback, routing.get("fallback", {}), "routing.fallback", problems) or Fallback()
    table = rows.dump()
    names = task_names(table)
    chain = enumerate(fallback.chain)
    rotation = [_provider(table, name, f"routing.fallback.chain[{i}]", problems) for i, name in chain]
    routes = []
    for task, content in tasks.items():
        path = f"routing.task_routing.{task}"
        target = _form(Target, content, path, problems)
        if not SLUG.fullmatch(task):
            problems.append(Problem(path, "cannot name a task type: lower-case letters, digits and . _ - only"))
        elif target:
            model = _model(table, target, path, problems)
            routes.append(_route(names.get(task, task), project, target, model, rotation, fallback))
    if problems:
        raise Invalid(problems)
    fresh = [task for task in tasks if task not in names]
    return {
        "projects": [{"slug": project}] if project and project not in table["projects"] else [],
        "task_types": [{"slug": task, "name": task.replace("_", " ").capitalize()} for task in fresh],
        "routes": routes,
    }


def _object(raw: object, path: str, fields: tuple[str, ...] | None, problems: list[Problem]) -> Mapping[str, Any]:
    if not isinstance(raw, Mapping):
        problems.append(Problem(path, "not an object"))
        return {}
    for name in raw:
        if fields is not None and name not in fields:
            problems.append(Problem(f"{path}.{name}".lstrip("."), f"unknown field{nearest(name, fields)}"))
    return raw


def _form(form: type[FormT], raw: object, path: str, problems: list[Problem]) -> FormT | None:
    try:
        return form.model_validate(raw)
    except ValidationError as error:
        problems += problems_of(error, path)
        return None


def write(table: Table, project: str | None = None) -> dict[str, Any]:
    """The routes that such a file can say (those with a rotation of their own), in its form: write(read(x)) is x."""
    tasks, fallback = {}, Fallback()
    for part in table["routes"].values():
        if part["project"] != project or part["condition"] or not part["rotation"] or not part["steps"]:
            continue
        provider, _, _ = part["steps"][0].partition(":")
        model = table["models"][part["steps"][0]]
        tasks[part["task_type"]] = {
            "provider": BACK.get(provider, provider),
            # Theirs is the vendor's name of the model, which our slugs have as their longest alias.
            "model": max((model["slug"], *model["aliases"]), key=len),
            "description": part["note"],
        }
        chain = [BACK.get(name, name) for name in part["rotation"]]
        fallback = Fallback(enabled=part["fallback"], chain=chain, cooldown_seconds=part["cooldown_s"])
    return {"routing": {"task_routing": tasks, "fallback": fallback.model_dump(mode="json")}}


def _provider(table: Table, name: str, path: str, problems: list[Problem]) -> str:
    ours = PROVIDERS.get(name, name)
    if ours not in table["providers"]:
        known = [BACK.get(slug, slug) for slug in table["providers"]]
        problems.append(Problem(path, f"no provider '{name}'{nearest(name, known)}"))
    return ours


def _model(table: Table, target: Target, path: str, problems: list[Problem]) -> str:
    before = len(problems)
    provider = _provider(table, target.provider, f"{path}.provider", problems)
    names = {name: keys for name, keys in model_names(table).items() if name.startswith(f"{provider}:")}
    found = names.get(f"{provider}:{target.model}", ())
    if not found and len(problems) == before:
        known = [name.partition(":")[2] for name in names]
        problems.append(Problem(f"{path}.model", f"no model '{target.model}'{nearest(target.model, known)}"))
    return found[0] if found else ""


def _route(
    task: str, project: str | None, target: Target, model: str, rotation: list[str], fallback: Fallback
) -> dict[str, Any]:
    return {
        "task_type": task,
        "project": project,
        "steps": [model],
        "note": target.description,
        "tier_chain": fallback.enabled,
        "fallback": fallback.enabled,
        "rotation": rotation,
        "cooldown_s": fallback.cooldown_seconds,
    }
