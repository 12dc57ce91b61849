"""Between the table as a value and its rows. Only `routing.changes` writes; anyone may dump."""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import Any

from django.db.models import Prefetch
from django.utils import timezone

from routing import models as rows
from routing.document.fields import plain
from routing.document.form import OAuth, Options
from routing.document.table import SECTIONS, Part, Table, empty, key_of
from routing.policy.cost import FEES, TOKEN_PARTS

PROVIDER = ("slug", "name", "kind", "enabled", "imported", "rotation", "max_concurrency", "max_waiting")
MODEL = (
    "slug",
    "name",
    "upstream_id",
    "aliases",
    "kind",
    "tier",
    "role",
    "used_for",
    "tags",
    "lacks",
    "context_window",
    "max_output_tokens",
    "interactive_only",
    "enabled",
    "imported",
)
TASK = (
    "slug",
    "name",
    "description",
    "aliases",
    "kind",
    "enabled",
    "imported",
    "wants",
    "success_from",
    "label_sources",
    "complete_sources",
    "label_horizon_days",
    "grading_share",
    "margin",
    "target_success",
    "four_eyes",
    "auto_rollback",
    "keep_payloads",
)
DEFINITION = (
    "success_from",
    "label_sources",
    "complete_sources",
    "label_horizon_days",
)  # a change restarts the evidence
ROUTE = (
    "condition",
    "note",
    "tier_chain",
    "rotation",
    "lower_tier_max_hops",
    "terminal_local",
    "cooldown_s",
    "second_opinion",
    "background",
)
PRICE = (*TOKEN_PARTS, *FEES)
TIMEOUTS = ("connect_s", "first_token_s", "idle_s", "total_s")


def dump() -> Table:
    """The table as it stands, every field of every part."""
    table = empty()
    for section in SECTIONS:
        for part in _READERS[section]():
            table[section][key_of(section, part)] = part
    return table


def _plain(row: Any, fields: Iterable[str]) -> Part:
    return {field: getattr(row, field) for field in fields}


def _day(value: date | None) -> str | None:
    return value.isoformat() if value else None


def _providers() -> Iterable[Part]:
    for row in rows.Provider.objects.all():
        options = Options(**row.options).model_dump(mode="json")
        yield {**_plain(row, PROVIDER), "base_url": row.base_url or None, "options": options}


def _credentials() -> Iterable[Part]:
    for row in rows.Credential.objects.select_related("provider").exclude(kind__in=["caller", "none"]):
        yield {
            "provider": row.provider.slug,
            "name": row.name,
            "kind": row.kind,
            "env": row.env or None,
            "oauth": OAuth(**row.oauth).model_dump(mode="json") if row.oauth else None,
            "priority": row.priority,
        }


def _models() -> Iterable[Part]:
    now = timezone.now()
    for row in rows.Model.objects.select_related("provider", "quota").prefetch_related("prices"):
        prices = list(row.prices.all())  # the newest first
        price = [each for each in prices if each.valid_from <= now]
        coming = [each for each in prices if each.valid_from > now]
        yield {
            **_plain(row, MODEL),
            "provider": row.provider.slug,
            "quota": row.quota.slug if row.quota else None,
            "price": _price(price[0]) if price else None,
            "next_price": _next_price(coming[-1]) if coming else None,
            "deprecated_at": _day(row.deprecated_at),
            "retire_at": _day(row.retire_at),
        }


def _price(row: rows.Price) -> Part:
    values = {name: getattr(row, name) for name in PRICE}
    said = {name: None if value is None else plain(value) for name, value in values.items()}
    tiers = [{"reasoning": None} | tier for tier in row.tiers]  # which tiers of old do not name
    return said | {"tiers": tiers, "service_tiers": row.service_tiers}


def _next_price(row: rows.Price) -> Part:
    return {**_price(row), "valid_from": timezone.localdate(row.valid_from).isoformat()}


def _quotas() -> Iterable[Part]:
    for row in rows.Quota.objects.select_related("provider"):
        provider = row.provider.slug if row.provider else None
        yield {"slug": row.slug, "name": row.name, "provider": provider, "windows": row.windows}


def _curves() -> Iterable[Part]:
    return (_plain(row, ("name", "steps", "active", "when_unknown")) for row in rows.Curve.objects.all())


def _projects() -> Iterable[Part]:
    return (_plain(row, ("slug", "name")) for row in rows.Project.objects.all())


def _task_types() -> Iterable[Part]:
    return (_plain(row, TASK) for row in rows.TaskType.objects.all())


def _rules() -> Iterable[Part]:
    for row in rows.Rule.objects.select_related("task_type"):
        yield {"pattern": row.pattern, "task_type": row.task_type.slug, "position": row.position}


def _routes() -> Iterable[Part]:
    steps = Prefetch("steps", rows.RouteStep.objects.select_related("model__provider").order_by("position"))
    for row in rows.Route.objects.select_related("task_type", "project").prefetch_related(steps):
        yield {
            **_plain(row, ROUTE),
            "task_type": row.task_type.slug,
            "project": row.project.slug if row.project else None,
            "steps": [step.model.key for step in row.steps.all()],
            "fallback": row.fallback_enabled,
            "timeouts": _plain(row, TIMEOUTS),
        }


def _budgets() -> Iterable[Part]:
    # A key's and an exploration's budget come and go with what they limit.
    for row in rows.Budget.objects.exclude(scope__startswith="key:").exclude(scope__startswith="exploration:"):
        yield {**_plain(row, ("scope", "steps", "at_limit", "enabled")), "monthly_usd": plain(row.monthly_usd)}


def _explorations() -> Iterable[Part]:
    running = rows.Exploration.objects.filter(ended_at=None).select_related("task_type").order_by("pk")
    for row in running.prefetch_related("challengers__provider"):
        yield {
            "task_type": row.task_type.slug,
            "share": row.share,
            "challengers": sorted(model.key for model in row.challengers.all()),
            "usd_cap": plain(row.usd_cap),
            "starts_on": _day(row.starts_on),
            "until": _day(row.until),
        }


_READERS: dict[str, Callable[[], Iterable[Part]]] = {
    "providers": _providers,
    "credentials": _credentials,
    "quotas": _quotas,
    "models": _models,
    "curves": _curves,
    "projects": _projects,
    "task_types": _task_types,
    "rules": _rules,
    "routes": _routes,
    "budgets": _budgets,
    "explorations": _explorations,
}


def edited() -> dict[tuple[str, str], datetime]:
    """When a part was last edited by hand: what a file may not overwrite unasked."""
    found: dict[tuple[str, str], datetime] = {}
    for row in rows.Provider.objects.exclude(edited_at=None):
        found["providers", row.slug] = row.edited_at  # type: ignore[assignment]
    for model in rows.Model.objects.exclude(edited_at=None).select_related("provider"):
        found["models", model.key] = model.edited_at  # type: ignore[assignment]
    for task in rows.TaskType.objects.exclude(edited_at=None):
        found["task_types", task.slug] = task.edited_at  # type: ignore[assignment]
    for route in rows.Route.objects.exclude(edited_at=None).select_related("task_type", "project"):
        part = {"task_type": route.task_type.slug, "condition": route.condition}
        part["project"] = route.project.slug if route.project else ""
        found["routes", key_of("routes", part)] = route.edited_at  # type: ignore[assignment]
    return found
