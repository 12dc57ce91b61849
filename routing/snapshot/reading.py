"""One revision of the table, read from PostgreSQL into the frozen values that the policy and the adapters take."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from zoneinfo import ZoneInfo

from django.conf import settings

from routing.credentials import Access
from routing.models import Curve as CurveRow
from routing.models import Exploration as ExplorationRow
from routing.models import Model as ModelRow
from routing.models import Project as ProjectRow
from routing.models import Provider as ProviderRow
from routing.models import Route as RouteRow
from routing.models import RouteStep
from routing.models import Rule as RuleRow
from routing.models import TaskType as TaskTypeRow
from routing.policy.table import (
    Credential,
    Curve,
    CurveStep,
    Exploration,
    Model,
    Provider,
    Route,
    Rule,
    Table,
    TaskType,
)
from routing.providers.base import Endpoint
from routing.terms.request import Timeouts
from routing.terms.words import CredentialKind, ProviderKind, TaskKind
from routing.upstreams import Pinned, Refused, authority, pin

PIN_S = 300.0  # an address is looked up anew after that; a refusal after PIN_REFUSED_S
PIN_REFUSED_S = 30.0


def read_table(revision: int, accesses: Iterable[Access], rows: Iterable[ProviderRow]) -> Table:
    """The whole table in eight queries, of which none is for its providers: their rows are given, by slug."""
    credentials: dict[str, list[Credential]] = defaultdict(list)
    for access in accesses:
        credentials[access.provider].append(Credential(access.name, access.kind))
    providers = {row.slug: _provider(row, tuple(credentials[row.slug])) for row in rows}
    model_rows = list(ModelRow.objects.select_related("provider", "quota").order_by("provider__slug", "slug"))
    models = {row.key: _model(row) for row in model_rows}
    names = _names(model_rows)
    return Table(
        revision=revision,
        providers=providers,
        models=models,
        names=names,
        task_types={row.slug: _task_type(row) for row in TaskTypeRow.objects.order_by("slug")},
        rules=tuple(Rule(row.pattern, row.task_type.slug) for row in RuleRow.objects.select_related("task_type")),
        routes=_routes(),
        curve=next((_curve(row, names) for row in CurveRow.objects.filter(active=True).order_by("name")), None),
        explorations=_explorations(),
        projects=dict(ProjectRow.objects.order_by("slug").values_list("slug", "name")),
        zone=ZoneInfo(settings.TIME_ZONE),
    )


def _provider(row: ProviderRow, credentials: tuple[Credential, ...]) -> Provider:
    kind = ProviderKind(row.kind)
    asks_for_none = kind in (ProviderKind.OPENAI_COMPATIBLE, ProviderKind.SIMULATED) and not credentials
    return Provider(
        slug=row.slug,
        kind=kind,
        enabled=row.enabled,
        simulate=row.simulate,
        credentials=credentials,
        needs_credential=not asks_for_none,
        rotation=tuple(row.rotation),
        takes_callers=_takes_callers(row, kind),
    )


def _takes_callers(row: ProviderRow, kind: ProviderKind) -> bool:
    """Clients bring credentials of the vendor; another host gets them only where the server's environment names it."""
    if kind not in (ProviderKind.ANTHROPIC, ProviderKind.OPENAI):
        return False
    return not row.base_url or authority(row.base_url) in settings.CALLER_CREDENTIAL_UPSTREAMS


def _model(row: ModelRow) -> Model:
    return Model(
        provider=row.provider.slug,
        slug=row.slug,
        upstream_id=row.upstream_id,
        kind=TaskKind(row.kind),
        tier=row.tier,
        role=row.role,
        tags=tuple(row.tags),
        lacks=frozenset(row.lacks),
        context_window=row.context_window,
        max_output_tokens=row.max_output_tokens,
        interactive_only=row.interactive_only,
        enabled=row.enabled,
        quota=row.quota.slug if row.quota else None,
        deprecated_at=row.deprecated_at,
        retire_at=row.retire_at,
        version=row.version,
    )


def _names(rows: Iterable[ModelRow]) -> dict[str, tuple[str, ...]]:
    """Slug or alias, in lower case → the models that bear it."""
    names: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        for name in dict.fromkeys((row.slug.lower(), *(alias.lower() for alias in row.aliases))):
            names[name].append(row.key)
    return {name: tuple(sorted(keys)) for name, keys in names.items()}


def _task_type(row: TaskTypeRow) -> TaskType:
    return TaskType(
        slug=row.slug,
        name=row.name,
        aliases=tuple(row.aliases),
        kind=TaskKind(row.kind),
        enabled=row.enabled,
        wants=tuple(row.wants),
        grading_share=row.grading_share,
    )


def _routes() -> dict[tuple[str, str | None, str], Route]:
    rows = list(RouteRow.objects.select_related("task_type", "project"))
    steps: dict[int, list[str]] = defaultdict(list)
    told = RouteStep.objects.order_by("position").values_list("route_id", "model__provider__slug", "model__slug")
    for route_id, provider, model in told:  # as values: as rows, each would bring its model and its provider along
        steps[route_id].append(f"{provider}:{model}")
    routes = (
        Route(
            task_type=row.task_type.slug,
            steps=tuple(steps[row.pk]),
            project=row.project.slug if row.project else None,
            condition=row.condition,
            tier_chain=row.tier_chain,
            rotation=tuple(row.rotation),
            lower_tier_max_hops=row.lower_tier_max_hops,
            terminal_local=row.terminal_local,
            background=row.background,
            second_opinion=row.second_opinion,
            fallback=row.fallback_enabled,
            cooldown_s=row.cooldown_s,
            timeouts=Timeouts(row.connect_s, row.first_token_s, row.idle_s, row.total_s),
        )
        for row in rows
    )
    return {(route.task_type, route.project, route.condition): route for route in routes}


def _curve(row: CurveRow, names: Mapping[str, tuple[str, ...]]) -> Curve:
    steps = (
        CurveStep(
            float(step["from"]),
            tuple(dict.fromkeys(key for name in step["allowed"] for key in names.get(name, (name,)))),
        )
        for step in row.steps
    )
    return Curve(row.name, tuple(sorted(steps, key=lambda step: step.above)), row.when_unknown == "degrade")


def _explorations() -> dict[str, Exploration]:
    rows = ExplorationRow.objects.filter(ended_at=None).select_related("task_type").order_by("created_at")
    return {
        row.task_type.slug: Exploration(
            id=row.pk,
            task_type=row.task_type.slug,
            share=row.share,
            challengers=tuple(sorted(model.key for model in row.challengers.all())),
            starts_on=row.starts_on,
            until=row.until,
        )
        for row in rows.prefetch_related("challengers__provider")
    }


def read_endpoints(
    accesses: Iterable[Access], rows: Iterable[ProviderRow]
) -> tuple[dict[tuple[str, str | None], Endpoint], dict[tuple[str, str], str]]:
    """Where each ready credential leads, and which provider or credential is not ready, and why. Upstream addresses are checked here."""
    endpoints: dict[tuple[str, str | None], Endpoint] = {}
    not_ready: dict[tuple[str, str], str] = {}
    by_provider: dict[str, list[Access]] = defaultdict(list)
    for access in accesses:
        by_provider[access.provider].append(access)
        if not access.ready:
            not_ready[access.provider, access.name] = access.reason
    for row in rows:
        if not row.enabled:
            continue
        if row.simulate or row.kind == ProviderKind.SIMULATED:
            endpoints[row.slug, None] = Endpoint(ProviderKind.SIMULATED, row.slug, "", options=row.options)
            continue
        try:
            pinned = _pinned(row)
        except Refused as error:
            not_ready[row.slug, ""] = str(error)
            continue
        endpoints[row.slug, None] = _endpoint(row, pinned, None)
        endpoints |= {(row.slug, each.name): _endpoint(row, pinned, each) for each in by_provider[row.slug]}
    return endpoints, not_ready


def _endpoint(row: ProviderRow, pinned: Pinned | None, access: Access | None) -> Endpoint:
    return Endpoint(
        kind=ProviderKind(row.kind),
        provider=row.slug,
        upstream_id="",
        base_url=row.base_url or None,
        address=pinned.address if pinned else None,
        secret=access.secret if access else None,
        credential_kind=access.kind if access else CredentialKind.NONE,
        options=row.options,
    )


_pins: dict[str, tuple[float, Pinned | Refused]] = {}


def _pinned(row: ProviderRow) -> Pinned | None:
    """The checked address of the provider's own URL; None for a vendor's, which needs no check. Raises Refused."""
    if not row.base_url:
        if row.kind == ProviderKind.OPENAI_COMPATIBLE:
            raise Refused("no base_url is set")
        return None
    known = _pins.get(row.base_url)
    if known is None or known[0] < time.monotonic():
        known = _pins[row.base_url] = _look_up(row.base_url)
    if isinstance(known[1], Refused):
        raise known[1]
    return known[1]


def _look_up(url: str) -> tuple[float, Pinned | Refused]:
    try:
        return time.monotonic() + PIN_S, pin(url)
    except Refused as error:
        known = _pins.get(url)
        if isinstance(error.__cause__, OSError) and known is not None and isinstance(known[1], Pinned):
            return time.monotonic() + PIN_REFUSED_S, known[1]  # the resolver is away; the address was good
        return time.monotonic() + PIN_REFUSED_S, error
