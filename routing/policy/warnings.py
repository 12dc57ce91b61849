"""What is odd about a route without stopping it: for whoever looks at it, in explain, on a page, before publishing."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from routing.policy.table import Model, Route, Table
from routing.terms.candidate import Warning

RETIRING = timedelta(days=30)


def warnings(table: Table, route: Route, today: date) -> tuple[Warning, ...]:
    """A primary without the strengths that its task wants, one provider for all steps, models that are off or end soon."""
    chain = [table.models[key] for key in route.steps if key in table.models]
    return (*_strengths(table, route, chain[:1]), *_providers(route, chain), *endings(table, chain, today))


def endings(table: Table, models: Sequence[Model], today: date) -> Iterator[Warning]:
    """The models among these that are switched off, retired, about to retire or deprecated."""
    for model in models:
        name, ends = model.slug, model.retire_at
        if not (model.enabled and table.providers[model.provider].enabled):
            yield Warning("warning", f"{name} is off", f"{name} is switched off and will be skipped.")
        elif ends is not None and ends <= today:
            yield Warning("retired", f"{name} retired", f"{name} retired on {_day(ends)} and will be skipped.")
        elif ends is not None and ends - today <= RETIRING:
            yield Warning("retiring", f"{name} retires", f"{name} retires on {_day(ends)}: choose what follows it.")
        elif model.deprecated_at is not None and model.deprecated_at <= today:
            since = f"{name} is deprecated since {_day(model.deprecated_at)}"
            text = f"{since}." if ends is None else f"{since} and retires on {_day(ends)}."
            yield Warning("deprecated", f"{name} is deprecated", text)


def unheard(table: Table, task_type: str, context: Sequence[str]) -> Iterator[Warning]:
    """The conditions of a call that no route of its task names: spelled wrong, perhaps."""
    known = {condition for task, _, condition in table.routes if task == task_type}
    for condition in context:
        if condition not in known:
            named = ", ".join(sorted(known - {""})) or "none"
            text = f"No route of {task_type} has the condition '{condition}'; those that it has: {named}."
            yield Warning("warning", f"no condition {condition}", text)


def _strengths(table: Table, route: Route, primary: Sequence[Model]) -> Iterator[Warning]:
    task = table.task_types.get(route.task_type)
    for model in primary:
        missing = ", ".join(tag for tag in (task.wants if task else ()) if tag not in model.tags)
        if missing:
            text = f"{model.slug} is not tagged {missing}, which this task wants."
            yield Warning("warning", f"not tagged {missing}", text)


def _providers(route: Route, chain: Sequence[Model]) -> Iterator[Warning]:
    providers = {model.provider for model in chain}
    goes_on = route.tier_chain or route.terminal_local
    if len(chain) > 1 and len(providers) == 1 and not goes_on:
        text = f"When {providers.pop()} is away, no step of this chain is left."
        yield Warning("one_provider", "one provider", text)


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
