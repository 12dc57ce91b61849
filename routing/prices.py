"""What models cost and when that changes: the list with its sources, and the alert when the catalogue says another price than before.

Costs are frozen on the attempts that caused them: nothing here touches what a call has cost.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from routing import alerts, snapshot
from routing.models import CataloguePrice, Price
from routing.policy.cost import FEES, TOKEN_PARTS, Rate, Rates, plain
from routing.policy.table import Model, Provider
from routing.snapshot.prices import SOURCE, coming, own_rates, published
from routing.terms.words import ProviderKind, Severity

OWN, CATALOGUE, UNPRICED = "override", "genai-prices", "unpriced"
AHEAD_DAYS = 60  # how far a price to come is looked for
# Part → USD per million tokens, a fee's per thousand; "input>200000" from that many tokens on; "flex:input" in that service tier.
Words = dict[str, str]


@dataclass(frozen=True, slots=True)
class Priced:
    """What a model costs now, and from when on something else."""

    model: str  # "provider:model"
    upstream_id: str
    source: str  # OWN, CATALOGUE or UNPRICED
    detail: str  # "genai-prices 0.2.3"; "" for the others
    rates: Words  # {} where nobody knows
    since: datetime | None  # in force, or seen, from then on; None: not yet recorded
    next_from: date | None  # the day on which it changes, as far as it is known
    next_rates: Words


@dataclass(frozen=True, slots=True)
class Changed:
    """A price of the catalogue that is another than when it was last seen."""

    model: str
    before: Words
    after: Words

    @property
    def words(self) -> str:
        """ "input $2 → $4, output $10 → $20 per million tokens, searches_1k $10 → $14"."""
        parts = [name for name in {**self.before, **self.after} if self.before.get(name) != self.after.get(name)]
        told = {name: f"{name} {_usd(self.before, name)} → {_usd(self.after, name)}" for name in parts}
        tokens = ", ".join(words for name, words in told.items() if name not in FEES)
        fees = [words for name, words in told.items() if name in FEES]
        return ", ".join([f"{tokens} per million tokens"] * bool(tokens) + fees)

    @property
    def matters(self) -> bool:
        """Whether something known costs otherwise. That a fee or a service tier's price is now known too is no change of a price."""
        known = any(self.after.get(name) != value for name, value in self.before.items())
        return known or any(":" not in name and name not in FEES for name in self.after.keys() - self.before.keys())


def listed(now: datetime | None = None) -> list[Priced]:
    """Every model with its price and the source of it, by name."""
    now, known = now or datetime.now(UTC), snapshot.fresh()
    own: dict[str, list[Price]] = {}
    for row in Price.objects.select_related("model__provider"):
        own.setdefault(row.model.key, []).append(row)
    seen = _last_seen()
    models = sorted(known.table.models.values(), key=lambda model: model.key)
    return [_priced(each, known, own.get(each.key, []), seen, now) for each in models]


def _priced(
    model: Model,
    known: snapshot.Snapshot,
    own: list[Price],
    seen: dict[tuple[str, str], CataloguePrice],
    now: datetime,
) -> Priced:
    rates, provider = known.rates.get(model.key), known.table.providers[model.provider]
    in_force = next((row for row in own if row.valid_from <= now), None)
    to_come = next((row for row in reversed(own) if row.valid_from > now), None)
    next_from, next_rates = None, dict[str, str]()
    if to_come is not None:
        next_from, next_rates = timezone.localdate(to_come.valid_from), _own_words(to_come)
    elif in_force is None and (ahead := coming(model, provider, now, AHEAD_DAYS)):
        next_from, next_rates = ahead[0], words(ahead[1])
    last = seen.get((model.provider, model.upstream_id))
    since = in_force.valid_from if in_force else last.seen_at if last else None
    return Priced(
        model=model.key,
        upstream_id=model.upstream_id,
        source=UNPRICED if rates is None else OWN if in_force else CATALOGUE,
        detail=rates.source if rates and not in_force else "",
        rates=words(rates),
        since=since if rates else None,
        next_from=next_from,
        next_rates=next_rates,
    )


@transaction.atomic
def note_changes(now: datetime | None = None) -> list[Changed]:
    """Record what the catalogue says now, and say where that is another price than last time: once, as an alert each.

    A model with a price of its own is told of too: its override may be what is old.
    """
    now, known = now or datetime.now(UTC), snapshot.fresh()
    last, changed = _last_seen(), list[Changed]()
    for model in _catalogued(known):
        provider = known.table.providers[model.provider]
        current, name = words(published(model, provider, now)), (model.provider, model.upstream_id)
        before = last.get(name)
        if before is not None and before.rates == current:
            continue
        row = CataloguePrice(
            provider=model.provider, upstream_id=model.upstream_id, rates=current, source=SOURCE, seen_at=now
        )
        row.save()
        last[name] = row  # two models may be bound to one upstream id
        if before is not None:
            changed.append(Changed(model.key, before.rates, current))
    changed = [each for each in changed if each.matters]
    for each in changed:
        _tell(each, now)
    return changed


def _catalogued(known: snapshot.Snapshot) -> Iterator[Model]:
    def is_listed(provider: Provider) -> bool:
        return provider.kind is not ProviderKind.SIMULATED

    for model in known.table.models.values():
        if model.enabled and is_listed(known.table.providers[model.provider]):
            yield model


def _tell(each: Changed, now: datetime) -> None:
    rises = any(
        Decimal(each.after[name]) > Decimal(each.before[name]) for name in each.after if name in each.before
    ) or bool(each.before.keys() - each.after.keys())
    alerts.raise_alert(
        f"price:{each.model}:{now:%Y-%m-%d}",
        kind="price",
        title=f"The catalogue's price of {each.model} changed",
        detail=f"{each.words}, by {SOURCE}. What calls have cost stays as it was.",
        severity=Severity.WARNING if rises else Severity.INFO,
        subject=f"model:{each.model}",
        url="/models",
    )


def _last_seen() -> dict[tuple[str, str], CataloguePrice]:
    rows = CataloguePrice.objects.order_by("provider", "upstream_id", "-seen_at").distinct("provider", "upstream_id")
    return {(row.provider, row.upstream_id): row for row in rows}


def words(rates: Rates | None) -> Words:
    """The rates as plain decimals, comparable and storable; {} for what is unpriced."""
    if rates is None:
        return {}
    found: Words = {}
    for name in TOKEN_PARTS:
        rate: Rate | None = getattr(rates, name)
        if rate is not None:
            found[name] = plain(rate.base)
            found |= {f"{name}>{start}": plain(price) for start, price in rate.tiers}
    found |= {name: plain(fee) for name in FEES if (fee := getattr(rates, name)) is not None}
    for tier, price in rates.service_tiers.items():
        found |= {f"{tier}:{name}": value for name, value in words(price).items() if name not in FEES}
    return found


def _own_words(row: Price) -> Words:
    return words(own_rates(row, None))


def _usd(words: Words, name: str) -> str:
    return f"${words[name]}" if name in words else "–"
