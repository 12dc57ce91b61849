"""What each model costs now: an admin's override, else genai-prices, else nothing at all ("unpriced"). Looked up once a snapshot."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal

import genai_prices
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, TieredPrices

from routing.models import Price
from routing.policy.cost import Rate, Rates
from routing.policy.table import Model, Provider
from routing.terms.words import ProviderKind

SOURCE = f"genai-prices {genai_prices.__version__}"
_VENDORS = {"gemini": "google", "google": "google"}  # our slugs that genai-prices spells otherwise
_BY_KIND = {ProviderKind.ANTHROPIC: "anthropic", ProviderKind.OPENAI: "openai"}
_READ = ("input", "output", "cache_read", "cache_write", "cache_write_1h")


def read_rates(models: Iterable[Model], providers: Mapping[str, Provider], now: datetime) -> dict[str, Rates]:
    """Rates by "provider:model"; unpriced models are absent."""
    overrides = _overrides(now)
    found = {
        model.key: overrides.get(model.key) or published(model, providers[model.provider], now) for model in models
    }
    return {key: rates for key, rates in found.items() if rates is not None}


def published(model: Model, provider: Provider, now: datetime) -> Rates | None:
    """What genai-prices knows of the model on this day; None when it knows nothing."""
    info = _info(model, provider)
    return as_rates(info.get_prices(now)) if info else None


def coming(model: Model, provider: Provider, now: datetime, days: int) -> tuple[date, Rates | None] | None:
    """The first day among the next ones on which genai-prices knows another price, and that price; None: there is none."""
    info = _info(model, provider)
    if info is None:
        return None
    present = as_rates(info.get_prices(now))
    for day in (now + timedelta(days=number) for number in range(1, days + 1)):
        then = as_rates(info.get_prices(day.replace(hour=0, minute=0, second=0, microsecond=0)))
        if then != present:
            return day.date(), then
    return None


def _info(model: Model, provider: Provider) -> ModelInfo | None:
    """By the provider's own prices, and by the name that it gives the model; of a simulated one by anybody's."""
    vendor = _VENDORS.get(provider.slug) or _BY_KIND.get(provider.kind) or provider.slug
    anybody = provider.kind is ProviderKind.SIMULATED
    try:
        return get_snapshot().find_provider_model(model.upstream_id, None, None if anybody else vendor, None)[1]
    except LookupError:
        return None


def as_rates(price: ModelPrice) -> Rates | None:
    """The published price in our own words; None where input or output has none."""
    parts = {name: _rate(getattr(price, f"{name}_mtok")) for name in _READ}
    if parts["input"] is None or parts["output"] is None:
        return None
    return Rates(
        input=parts["input"],
        output=parts["output"],
        cache_read=parts["cache_read"],
        cache_write=parts["cache_write"],
        cache_write_1h=parts["cache_write_1h"],
        reasoning=_rate(price.output_reasoning_mtok),
        source=SOURCE,
    )


def _rate(price: Decimal | TieredPrices | None) -> Rate | None:
    if price is None:
        return None
    if isinstance(price, TieredPrices):
        return Rate(price.base, tuple((tier.start, tier.price) for tier in price.tiers))
    return Rate(price)


def _overrides(now: datetime) -> dict[str, Rates]:
    """The newest override of each model that is in force."""
    rows = Price.objects.filter(valid_from__lte=now).select_related("model__provider").order_by("model", "-valid_from")
    return {row.model.key: _own(row) for row in rows.distinct("model")}


def _own(row: Price) -> Rates:
    def rate(name: str) -> Rate | None:
        base = getattr(row, name)
        tiers = ((tier["above"], tier.get(name)) for tier in row.tiers)
        above = tuple((start, Decimal(price)) for start, price in tiers if price is not None)
        return Rate(base, above) if base is not None else None

    return Rates(
        input=rate("input") or Rate(row.input),
        output=rate("output") or Rate(row.output),
        cache_read=rate("cache_read"),
        cache_write=rate("cache_write"),
        cache_write_1h=rate("cache_write_1h"),
        source=f"override {row.pk}",
    )
