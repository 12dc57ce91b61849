"""The other form that `load` takes: `.stravinsky/routing.json`, tasks on models with a chain of providers behind them."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError

from routing.document import rows, secrecy
from routing.document.checks import model_names, task_names
from routing.document.fields import Line, Note, Seconds
from routing.document.form import Part
from routing.document.table import Invalid, Problem, Table, nearest, problems_of

PROVIDERS = {"claude": "anthropic"}  # its word → ours, where they differ
SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,119}")
FormT = TypeVar("FormT", bound=Part)
BACK = {ours: theirs for theirs, ours in PROVIDERS.items()}
CHAIN = "routing.fallback.chain"
# Field of our route → where their file has it: once for all routes, or in the task's own object.
_OF_ALL = {"rotation": CHAIN, "cooldown_s": "routing.fallback.cooldown_seconds", "fallback": "routing.fallback.enabled"}
_OF_ONE = {"steps": "model", "tier_chain": "model", "note": "description"}


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
    problems = [Problem(place, secrecy.MEND) for place in dict.fromkeys(secrecy.places(raw, ""))]
    if problems:
        raise Invalid(problems)  # what else is wrong would be told with the names that stand there
    top = _object(raw, "", ("routing",), problems)
    routing = _object(top.get("routing"), "routing", ("task_routing", "fallback"), problems)
    tasks = _object(routing.get("task_routing", {}), "routing.task_routing", None, problems)
    fallback = _form(Fallback, routing.get("fallback", {}), "routing.fallback", problems) or Fallback()
    table = rows.dump()
    names = task_names(table)
    chain = enumerate(fallback.chain)
    rotation = [_provider(table, name, f"{CHAIN}[{i}]", problems) for i, name in chain]
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


def paths_of(raw: Mapping[str, Any], problems: Iterable[Problem]) -> list[Problem]:
    """Problems of the fragment that `read` made, each once and at the place of the file that it comes from."""
    tasks = list(raw["routing"].get("task_routing", {}))
    return list(dict.fromkeys(replace(problem, path=_path(problem.path, tasks)) for problem in problems))


def _path(path: str, tasks: Sequence[str]) -> str:
    found = re.fullmatch(r"routes\[(\d+)\](?:\.(\w+))?(.*)", path)
    if found is None:
        return "project" if path.startswith("projects[") else path
    index, field, rest = found.groups()
    if field in _OF_ALL:
        return _OF_ALL[field] + (rest if field == "rotation" else "")
    there = _OF_ONE.get(field, "")
    return f"routing.task_routing.{tasks[int(index)]}" + (f".{there}" if there else "")


def write(table: Table, project: str | None = None) -> tuple[dict[str, Any], list[str]]:
    """The routes that such a file can say, in its form, and the keys of those that it cannot. write(read(x)) is x.

    It can say one model a task and one chain for all: of a project its routes of one step; of no project those with a rotation of
    their own. Where their chains differ, the most frequent one is written.
    """
    plain = {key: part for key, part in table["routes"].items() if part["project"] == project and not part["condition"]}
    able = {key: part for key, part in plain.items() if len(part["steps"]) == 1 and (project or part["rotation"])}
    chains = Counter(_chain(part) for part in able.values())
    most = max(chains, key=lambda each: chains[each]) if chains else (True, 300.0)
    told = {key: part for key, part in able.items() if _chain(part) == most}
    enabled, cooldown_s, *rotation = most
    fallback = {
        "enabled": enabled,
        "chain": [BACK.get(name, name) for name in rotation],
        "cooldown_seconds": int(cooldown_s) if cooldown_s == int(cooldown_s) else cooldown_s,
    }
    tasks = {part["task_type"]: _target(table, part) for part in told.values()}
    return {"routing": {"task_routing": tasks, "fallback": fallback}}, [key for key in plain if key not in told]


def _chain(part: Mapping[str, Any]) -> tuple[Any, ...]:
    return (part["fallback"], part["cooldown_s"], *part["rotation"])


def _target(table: Table, part: Mapping[str, Any]) -> dict[str, str]:
    model = table["models"][part["steps"][0]]
    return {
        "provider": BACK.get(model["provider"], model["provider"]),
        # Theirs is the vendor's name of the model, which our slugs have as their longest alias.
        "model": max((model["slug"], *model["aliases"]), key=len),
        "description": part["note"],
    }


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
