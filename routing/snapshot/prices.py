"""What each model costs now: an admin's override, else genai-prices, else nothing at all ("unpriced"). Looked up once a snapshot."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import genai_prices
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, TieredPrices
from genai_prices.types import Provider as Vendor

from routing.models import Price
from routing.policy.cost import FEES, TOKEN_PARTS, Rate, Rates
from routing.policy.table import Model, Provider
from routing.terms.words import ProviderKind

SOURCE = f"genai-prices {genai_prices.__version__}"
_VENDORS = {"gemini": "google", "google": "google"}  # our slugs that genai-prices spells otherwise
_BY_KIND = {ProviderKind.ANTHROPIC: "anthropic", ProviderKind.OPENAI: "openai"}
# A service tier as a usage names it → how genai-prices asks for its price. "fast" is a tier at OpenAI and a speed at Anthropic.
_SERVICE_TIERS = {
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "fast": {"service_tier": "fast", "speed": "fast"},
}


def read_rates(models: Iterable[Model], providers: Mapping[str, Provider], now: datetime) -> dict[str, Rates]:
    """Rates by "provider:model"; unpriced models are absent."""
    overrides = _overrides(now)
    found = {
        model.key: own_rates(overrides.get(model.key), published(model, providers[model.provider], now))
        for model in models
    }
    return {key: rates for key, rates in found.items() if rates is not None}


def published(model: Model, provider: Provider, now: datetime) -> Rates | None:
    """What genai-prices knows of the model on this day; None when it knows nothing."""
    found = _found(model, provider)
    if found is None:
        return None
    vendor, info = found
    rates = as_rates(info.get_prices(now))
    return replace(rates, service_tiers=_service_tiers(vendor, info, now)) if rates else None


def coming(model: Model, provider: Provider, now: datetime, days: int) -> tuple[date, Rates | None] | None:
    """The first day among the next ones on which genai-prices knows another price, and that price; None: there is none."""
    found = _found(model, provider)
    if found is None:
        return None
    info = found[1]
    present = as_rates(info.get_prices(now))
    for day in (now + timedelta(days=number) for number in range(1, days + 1)):
        then = as_rates(info.get_prices(day.replace(hour=0, minute=0, second=0, microsecond=0)))
        if then != present:
            return day.date(), then
    return None


def _found(model: Model, provider: Provider) -> tuple[Vendor, ModelInfo] | None:
    """By the provider's own prices, and by the name that it gives the model; of a simulated one by anybody's."""
    vendor = _VENDORS.get(provider.slug) or _BY_KIND.get(provider.kind) or provider.slug
    anybody = provider.kind is ProviderKind.SIMULATED
    try:
        return get_snapshot().find_provider_model(model.upstream_id, None, None if anybody else vendor, None)
    except LookupError:
        return None


def as_rates(price: ModelPrice) -> Rates | None:
    """The published price in our own words; None where input or output has none."""
    parts = {name: _rate(getattr(price, f"{_THEIRS.get(name, name)}_mtok")) for name in TOKEN_PARTS}
    fees = {name: _flat(getattr(price, theirs)) for name, theirs in _THEIR_FEES.items()}
    return _of(parts, fees, SOURCE)


_THEIRS = {"reasoning": "output_reasoning"}
_THEIR_FEES = {"searches_1k": "web_searches_kcount", "requests_1k": "requests_kcount"}


def _of(parts: Mapping[str, Rate | None], fees: Mapping[str, Decimal | None], source: str) -> Rates | None:
    if parts["input"] is None or parts["output"] is None:
        return None
    return Rates(**parts, **fees, source=source)  # type: ignore[arg-type]  # both are there


def _service_tiers(vendor: Vendor, info: ModelInfo, now: datetime) -> dict[str, Rates]:
    """The tiers whose price is known. Of a model found with another vendor none: its tiers are that vendor's."""
    if not info.price_variants or not any(each is info for each in vendor.models):
        return {}
    found = {word: in_tier(info, word, now) for word in _SERVICE_TIERS}
    return {word: rates for word, rates in found.items() if rates is not None}


def in_tier(info: ModelInfo, word: str, now: datetime) -> Rates | None:
    """The published price in a service tier; None where the catalogue has nothing on it: it would answer with the standard price."""
    asked = _SERVICE_TIERS[word]
    known = any(
        variant.when.items() <= asked.items() and (variant.constraint is None or variant.constraint.active(now))
        for variant in info.price_variants or ()
    )
    return as_rates(info.get_prices(now, asked)) if known else None


def _rate(price: Decimal | TieredPrices | None) -> Rate | None:
    if price is None:
        return None
    if isinstance(price, TieredPrices):
        return Rate(price.base, tuple((tier.start, tier.price) for tier in price.tiers))
    return Rate(price)


def _flat(price: Decimal | TieredPrices | None) -> Decimal | None:
    return price.base if isinstance(price, TieredPrices) else price


def _overrides(now: datetime) -> dict[str, Price]:
    """The newest override of each model that is in force."""
    rows = Price.objects.filter(valid_from__lte=now).select_related("model__provider").order_by("model", "-valid_from")
    return {row.model.key: row for row in rows.distinct("model")}


def own_rates(row: Price | None, known: Rates | None) -> Rates | None:
    """The override's price, else the catalogue's.

    An override says what tokens cost in every tier, a tier that it does not name is unpriced; a fee that it does not name stays the
    vendor's: it has nothing to do with tokens.
    """
    if row is None:
        return known
    source = f"override {row.pk}"
    fees = {name: _said(getattr(row, name), getattr(known, name, None)) for name in FEES}
    parts = {name: getattr(row, name) for name in TOKEN_PARTS}
    tiers = {word: _of(_listed(tier), fees, source) for word, tier in row.service_tiers.items()}
    rates = _of(_listed({**parts, "tiers": row.tiers}), fees, source)
    named = {word: tier for word, tier in tiers.items() if tier is not None}
    return replace(rates, service_tiers=named) if rates else None


def _said(own: Decimal | None, else_: Decimal | None) -> Decimal | None:
    return else_ if own is None else own


def _listed(price: Mapping[str, Any]) -> dict[str, Rate | None]:
    """A price as a document says it, its tiers of long contexts too."""

    def rate(name: str) -> Rate | None:
        base = price.get(name)
        tiers = ((tier["above"], tier.get(name)) for tier in price.get("tiers", ()))
        above = tuple((start, Decimal(value)) for start, value in tiers if value is not None)
        return Rate(Decimal(base), above) if base is not None else None

    return {name: rate(name) for name in TOKEN_PARTS}
