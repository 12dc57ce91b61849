"""The models as they are now: what they cost, whether they answer, and what a route made of them would do. For pages.

Health and prices come from this process's snapshot, as dispatch sees them; no query.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from django.db.models import F, Func, TextField

from routing import snapshot
from routing.models import Revision
from routing.policy import warnings as policy
from routing.policy.availability import refusal
from routing.policy.plan import plan
from routing.policy.table import Model, Provider, Route
from routing.terms.candidate import Candidate, Plan, Skipped, Warning
from routing.terms.request import Ask, Timeouts
from routing.terms.words import SkipReason

READY = "ready"


@dataclass(frozen=True, slots=True)
class ModelNow:
    """A model, its price in USD per million tokens, and how it is this moment."""

    key: str  # "provider:model"
    kind: str
    upstream_id: str = ""
    tier: str = ""
    role: str = ""
    tags: tuple[str, ...] = ()
    context_window: int | None = None
    interactive_only: bool = False
    quota: str | None = None
    retire_at: date | None = None
    simulated: bool = False
    enabled: bool = True
    input_usd: Decimal | None = None  # None: unpriced
    output_usd: Decimal | None = None
    price_source: str = ""
    health: str = READY  # else a SkipReason
    detail: str = ""  # "cooling down until 14:05"
    until: datetime | None = None

    @property
    def provider(self) -> str:
        return self.key.partition(":")[0]

    @property
    def slug(self) -> str:
        return self.key.partition(":")[2]

    @property
    def facts(self) -> str:
        """Tags, price, window: what a person chooses by."""
        known = self.input_usd is not None and self.output_usd is not None
        price = f"{_usd(self.input_usd)} in, {_usd(self.output_usd)} out" if known else "unpriced"
        window = f"{_tokens(self.context_window)} window" if self.context_window else ""
        return " · ".join(part for part in (", ".join(self.tags), price, window) if part)

    def answers(self, words: str) -> bool:
        """Whether every word stands in its name, role, tier or tags."""
        told = " ".join((self.key, self.upstream_id, self.role, self.tier, *self.tags)).lower()
        return all(word in told for word in words.lower().split())


@dataclass(frozen=True, slots=True)
class Reach:
    """Whom a call would reach now: the candidates, and the steps of the route that would be skipped."""

    candidates: tuple[Candidate, ...]
    skipped_steps: tuple[Skipped, ...]


def _usd(amount: Decimal | None) -> str:
    """ "$3", "$0.10", "$0.075": cents where there are any."""
    plain = f"{amount.normalize():f}" if amount is not None else "–"
    return f"${plain}0" if plain[-2:-1] == "." else f"${plain}"


def _tokens(count: int) -> str:
    return f"{count / 1_000_000:.3g}M" if count >= 1_000_000 else f"{count // 1000}k"


def models_now(now: datetime | None = None) -> dict[str, ModelNow]:
    """Every model by "provider:model", those that may be called first."""
    now, known = now or datetime.now(UTC), snapshot.fresh()
    found = [
        _model_now(model, known.table.providers[model.provider], known, now) for model in known.table.models.values()
    ]
    return {each.key: each for each in sorted(found, key=lambda each: (not each.enabled, each.key))}


def unknown(key: str) -> ModelNow:
    """A model that is gone, as a chain that still names it shows it."""
    return ModelNow(key, kind="", enabled=False, health=SkipReason.DISABLED, detail="no such model")


def _model_now(model: Model, provider: Provider, known: snapshot.Snapshot, now: datetime) -> ModelNow:
    rates = known.rates.get(model.key)
    health, detail, until = _health(model, provider, known, now)
    return ModelNow(
        key=model.key,
        kind=model.kind,
        upstream_id=model.upstream_id,
        tier=model.tier,
        role=model.role,
        tags=model.tags,
        context_window=model.context_window,
        interactive_only=model.interactive_only,
        quota=model.quota,
        retire_at=model.retire_at,
        simulated=provider.simulate,
        enabled=model.enabled and provider.enabled,
        input_usd=rates.input.base if rates else None,
        output_usd=rates.output.base if rates else None,
        price_source=rates.source if rates else "",
        health=health,
        detail=detail,
        until=until,
    )


def _health(
    model: Model, provider: Provider, known: snapshot.Snapshot, now: datetime
) -> tuple[str, str, datetime | None]:
    if not (model.enabled and provider.enabled):
        return SkipReason.DISABLED, "switched off", None
    if model.retire_at is not None and model.retire_at <= now.date():
        return SkipReason.RETIRED, f"retired on {model.retire_at}", None
    objection = refusal(provider, model, known.health, now, zone=known.table.zone)
    return (objection.reason, objection.detail, objection.until) if objection else (READY, "", None)


def plan_with(part: Mapping[str, Any], now: datetime | None = None) -> Reach:
    """The plan of a call if the document's route were in force this moment. Nothing is published."""
    now, known = now or datetime.now(UTC), snapshot.fresh()
    route = _route(part)
    key = (route.task_type, route.project, route.condition)
    table = replace(known.table, routes={**known.table.routes, key: route})
    context = (route.condition,) if route.condition else ()
    made: Plan = plan(table, Ask(route.task_type, project=route.project, context=context), known.health, now)
    skipped = tuple(each for each in made.skipped if each.reason is not SkipReason.NOT_IN_ROUTE)
    return Reach(made.candidates, skipped)


def _route(part: Mapping[str, Any]) -> Route:
    plain = (
        "tier_chain",
        "lower_tier_max_hops",
        "terminal_local",
        "background",
        "second_opinion",
        "fallback",
        "cooldown_s",
    )
    return Route(
        task_type=part["task_type"],
        steps=tuple(part["steps"]),
        project=part["project"],
        condition=part["condition"],
        rotation=tuple(part["rotation"]),
        timeouts=Timeouts(**part["timeouts"]),
        **{name: part[name] for name in plain},
    )


def warnings(part: Mapping[str, Any], today: date | None = None) -> tuple[Warning, ...]:
    """What is odd about the document's route, as this process knows the models."""
    return policy.warnings(snapshot.current().table, _route(part), today or datetime.now(UTC).date())


def last_changes() -> dict[str, Revision]:
    """The newest revision that touched a task type's routes, by its slug; without the document."""
    touched = Func(F("task_types"), function="jsonb_array_elements_text", output_field=TextField())
    touched.set_returning = True
    rows = Revision.objects.defer("document", "changes").annotate(task=touched)
    return {row.task: row for row in rows.order_by("task", "-number").distinct("task")}
