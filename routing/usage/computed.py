"""Usage as our own calls tell it: what the models of a quota were called for since its window began, as a share of its limit."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Coalesce

from routing.models import Attempt, Model, Quota
from routing.terms.ids import floor_of
from routing.terms.words import ProviderKind, Status
from routing.usage.readings import COMPUTED, name_of, record, span, why_not
from routing.usage.spans import hours_of

# What a provider answered, or may have answered, counts; what it refused or never got does not.
USED = (Status.OK, Status.PARTIAL, Status.CANCELLED, Status.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Metered:
    """One window of one quota, by our own calls."""

    quota: str
    provider: str
    window: str  # as the quota names it
    unit: str  # calls, tokens, usd
    used: Decimal | None  # None: unknown
    limit: Decimal | None
    reason: str  # why it is unknown
    begins_at: datetime | None
    resets_at: datetime | None

    @property
    def percent(self) -> float | None:
        return None if self.used is None or not self.limit else float(100 * self.used / self.limit)


def metered(now: datetime) -> Iterator[Metered]:
    """Every window of every quota that has models or a provider."""
    for quota in Quota.objects.prefetch_related("models__provider").select_related("provider").order_by("slug"):
        models = list(quota.models.all())
        provider = quota.provider or (models[0].provider if models else None)
        for window in quota.windows if provider else ():
            yield _metered(quota.slug, provider.slug, models, window, now)  # type: ignore[union-attr]


def _metered(quota: str, provider: str, models: list[Model], window: dict[str, Any], now: datetime) -> Metered:
    unit, limit = window.get("unit", "calls"), window.get("limit")
    hours = hours_of(window["name"], window.get("hours"))
    amount = Decimal(str(limit)) if limit else None
    if hours is None or amount is None or not models:
        why = why_not(window) if models else "no model draws on it, so our calls do not tell"
        return Metered(quota, provider, window["name"], unit, None, amount, why, None, None)
    begins_at, resets_at = span(provider, quota, window["name"], hours, now)
    used, reason = _used(models, unit, begins_at)
    return Metered(quota, provider, window["name"], unit, used, amount, reason, begins_at, resets_at)


def _used(models: list[Model], unit: str, since: datetime) -> tuple[Decimal | None, str]:
    ours = Q()
    for model in models:
        # Simulated calls fill the window of a simulated provider alone: neither ever counts for the other.
        is_simulated = model.provider.simulate or model.provider.kind == ProviderKind.SIMULATED
        ours |= Q(provider=model.provider.slug, model=model.slug, simulated=is_simulated)
    rows = Attempt.objects.filter(ours, call_id__gte=floor_of(since), status__in=USED)
    tokens = Coalesce(F("input_tokens"), 0) + Coalesce(F("output_tokens"), 0)
    sums = rows.aggregate(
        calls=Count("attempt"),
        tokens=Sum(tokens),
        usd=Sum("cost_usd"),
        unpriced=Count("attempt", filter=Q(cost_usd=None, status=Status.OK)),
    )
    if unit == "usd" and sums["unpriced"]:
        return None, f"{sums['unpriced']:,} calls have no price"
    return Decimal(sums[unit] or 0), ""


def compute(now: datetime) -> int:
    """Keep a reading of every window that our own calls tell; how many there are."""
    done = 0
    for each in metered(now):
        if each.percent is not None:
            name = name_of(each.quota, each.window)
            record(each.provider, name, round(each.percent, 4), each.resets_at, now, source=COMPUTED)
            done += 1
    return done
