"""The whole chain of a call as the table has it, before anybody asked what is available."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from routing.policy.chain import chain
from routing.policy.table import LOCAL_ROLE, Exploration, Route, Table
from routing.terms.candidate import Pin
from routing.terms.request import Ask
from routing.terms.words import CredentialKind, Role


@dataclass(frozen=True, slots=True)
class Step:
    """A place in the chain before anything was filtered."""

    model: str
    role: Role
    credential_kind: CredentialKind | None = None  # None: whichever is ready
    is_governed: bool = True  # False: the curve has no say (the user named it)


def route_of(table: Table, ask: Ask) -> tuple[Route | None, str]:
    """The route of the ask and where it stands ("project", "global", "default"): the project's before the global one, and in
    each the first condition of the caller that has a route before none."""
    for project in (ask.project, None) if ask.project else (None,):
        for condition in (*ask.context, ""):
            route = table.routes.get((ask.task_type, project, condition))
            if route is not None:
                return route, "project" if project else "global"
    return None, "default"


def steps(
    table: Table, ask: Ask, route: Route | None, override: str | None, *, replaced: bool, pin: Pin | None = None
) -> Iterator[Step]:
    """The override, the route's steps, its tier chain, the local model that ends it. A model may stand in it twice.

    `replaced`: the override has taken the primary's place, which is left out then. `pin`: what the session began with comes first, and
    all others are there for its failure.
    """
    if pin is not None:
        yield Step(pin.model, pin.role)
    if override is not None:
        yield Step(override, Role.OBSERVED if ask.is_observed else Role.OVERRIDE, is_governed=False)
    of_route = route.steps if route else ()
    for key in by_author(of_route, ask.author):
        is_first = key == of_route[0]
        if is_first and replaced:
            continue
        role = Role.PRIMARY if is_first and override is None and pin is None else Role.FALLBACK
        yield Step(key, role, _oauth_first(table, route, key) if is_first else None)
    origin = override if replaced or not of_route else of_route[0]
    if origin is not None:
        yield from _tier_steps(table, route, origin)
    if route is not None and route.terminal_local:
        for model in table.models.values():
            if model.role == LOCAL_ROLE:
                yield Step(model.key, Role.FALLBACK)


def explored(table: Table, task_type: str, route: Route | None, today: date) -> Exploration | None:
    """The exploration that holds today for calls that go by this route, where there is one.

    Another route's primary is another incumbent: only the global, unconditional route is compared.
    """
    if route is None or route.project is not None or route.condition:
        return None
    found = table.explorations.get(task_type)
    return found if found is not None and found.starts_on <= today <= found.until else None


def by_author(of_route: tuple[str, ...], author: str | None) -> tuple[str, ...]:
    """The steps as they are, or for a review: other providers than the author's first."""
    if author is None:
        return of_route
    provider = author.partition(":")[0]
    return tuple(sorted(of_route, key=lambda key: key.partition(":")[0] == provider))


def _oauth_first(table: Table, route: Route | None, key: str) -> CredentialKind | None:
    """OAuth for a model whose API key is the tier chain's last resort; None where either will do."""
    provider = table.providers.get(key.partition(":")[0])
    if route is None or not route.tier_chain or provider is None:
        return None
    has_oauth = any(each.kind is CredentialKind.OAUTH for each in provider.credentials)
    return CredentialKind.OAUTH if has_oauth else None


def _tier_steps(table: Table, route: Route | None, origin: str) -> Iterator[Step]:
    if route is None:
        hops = chain(table, origin)
    elif route.tier_chain:
        hops = chain(table, origin, rotation=route.rotation, lower_tier_max_hops=route.lower_tier_max_hops)
    else:
        hops = ()
    for hop in hops:
        yield Step(hop.model, Role.FALLBACK, hop.credential_kind)
