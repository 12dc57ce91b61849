"""Which task type the calls under a requested model name are likely to be, by what is at hand: routes, what the calls said, tags."""

from collections.abc import Mapping
from dataclasses import dataclass

from routing.policy import resolve
from routing.policy.table import Model, Table, TaskType
from routing.terms.words import TaskKind


@dataclass(frozen=True, slots=True)
class Likely:
    """A task type for a requested name, and why it."""

    task_type: str
    why: str  # a sentence for the person who decides
    others: tuple[str, ...] = ()  # task types that the same reason speaks for


def likely(
    table: Table,
    name: str,
    *,
    said: Mapping[str, int] | None = None,
    default: str | None = None,
    project: str | None = None,
) -> Likely | None:
    """The likeliest task type of the calls that name this model; None where nothing speaks for any.

    `said`: how many of these calls named a task type themselves, each. `default`: the client's default task type. `project`: its project.
    What speaks loudest: that the route's first model is the very one; what calls said; that the route falls back to it; its tags.
    Among task types for which the same is true, what the calls said decides, then the default, then the order of the table.
    """
    said = {slug: n for slug, n in (said or {}).items() if slug in table.task_types}
    model = _model(table, name)
    tasks = _tasks(table, model.kind if model else TaskKind.CHAT)
    places = {slug: _place(table, slug, project, model.key) for slug in tasks} if model else {}
    order = sorted(tasks, key=lambda slug: (-said.get(slug, 0), slug != default))
    if model and (first := [slug for slug in order if places[slug] == 0]):
        return Likely(first[0], f"{model.key} is the first model of its route.", tuple(first[1:]))
    if named := [slug for slug in order if said.get(slug)]:
        n, of = said[named[0]], sum(said.values())
        return Likely(named[0], f"{n} of the {of} calls that named a task type named this one.", tuple(named[1:]))
    if model and (later := [slug for slug in order if places[slug] is not None]):
        return Likely(later[0], f"Its route falls back to {model.key}.", tuple(later[1:]))
    if model and (tagged := [slug for slug in order if _suits(table.task_types[slug], model)]):
        wants = ", ".join(table.task_types[tagged[0]].wants)
        return Likely(tagged[0], f"{model.key} is tagged with what it wants: {wants}.", tuple(tagged[1:]))
    if default in tasks:
        return Likely(default, "It is the client's default task type.")
    return None


def _model(table: Table, name: str) -> Model | None:
    try:
        return table.models.get(resolve.requested(table, name))
    except (resolve.Unknown, resolve.Ambiguous):
        return None


def _tasks(table: Table, kind: TaskKind) -> list[str]:
    """Those that a call may be routed by."""
    routed = {task for task, _, condition in table.routes if not condition}
    return [slug for slug, task in table.task_types.items() if task.enabled and task.kind is kind and slug in routed]


def _place(table: Table, task: str, project: str | None, model: str) -> int | None:
    """The model's place in the task's route for the project; None where it is no step of it."""
    route = table.routes.get((task, project, "")) or table.routes.get((task, None, ""))
    return route.steps.index(model) if route and model in route.steps else None


def _suits(task: TaskType, model: Model) -> bool:
    return bool(task.wants) and set(task.wants) <= set(model.tags)
