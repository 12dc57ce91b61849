"""What a budget whose limit is reached leaves of a call's models: those that are cheaper than what would have served it.

The measure is the dearest of the model that was named and the route's primary, by `cost.compared`. A model whose price nobody knows is neither
cheaper nor dearer: as a step of a route it stays, but it takes nobody's place. Where nothing cheaper can be called everything stays as it is: a
budget that degrades refuses nobody.
"""

from collections.abc import Iterator
from decimal import Decimal

from routing.policy.chain import below
from routing.policy.health import Health
from routing.policy.table import LOWER_TIER_MAX_HOPS, TIERS, Route, Table
from routing.terms.request import Ask

MOST = LOWER_TIER_MAX_HOPS  # models that take a place at once: one to serve, one to fall back to


class Thrift:
    """The measure of one call. Without a reached budget, or without a known price, it removes nobody."""

    def __init__(self, table: Table, ask: Ask, health: Health, payers: frozenset[str], named: tuple[str, ...]) -> None:
        self._table, self._health = table, health
        self._payers = sorted(payers & health.degraded) if health.degraded else []
        self.named = named  # "provider:model" of the override and of the route's primary
        prices = [table.prices[key] for key in named if key in table.prices]
        self._limit: Decimal | None = max(prices, default=None) if health.degraded else None
        self.is_off = self._limit is None

    def removes(self, key: str) -> str:
        """Why the model is not to serve, as a part of a sentence about it; "" when it may."""
        scope = self._payer_of(key)
        if self.is_off or not scope or self._is_cheaper(key) is not False:
            return ""
        return f"degraded by the budget of {scope}"

    def _payer_of(self, key: str) -> str:
        """The reached budget that pays for the model."""
        if self._payers:
            return self._payers[0]
        scope = f"provider:{key.partition(':')[0]}"
        return scope if scope in self._health.degraded else ""

    def _is_cheaper(self, key: str) -> bool | None:
        price = self._table.prices.get(key)
        return None if price is None or self._limit is None else price < self._limit

    def instead(self) -> Iterator[str]:
        """The cheaper models, in the order in which they take the place: the next lower tiers of the same provider and of its rotation, the
        nearest tier first; then all others, the cheapest first."""
        seen: set[str] = set()
        origin = self._table.models.get(self.named[0]) if self.named else None
        tier = below(origin.tier) if origin is not None and origin.tier in TIERS else ""
        while origin is not None and tier:
            for provider in (origin.provider, *self._table.providers[origin.provider].rotation):
                of_tier = [each for each in self._cheaper() if self._is_of(each, provider, tier)]
                seen.update(of_tier[:1])
                yield from of_tier[:1]
            tier = below(tier)
        yield from (key for key in self._cheaper() if key not in seen)

    def _cheaper(self) -> list[str]:
        cheaper = [key for key in self._table.models if self._is_cheaper(key)]
        return sorted(cheaper, key=lambda key: (self._table.prices[key], key))

    def _is_of(self, key: str, provider: str, tier: str) -> bool:
        model = self._table.models[key]
        return model.provider == provider and model.tier == tier


def thrift(table: Table, ask: Ask, health: Health, route: Route | None, override: str | None) -> Thrift:
    """`override` is a "provider:model"."""
    payers = ask.scopes | {f"task:{ask.task_type}", f"project:{ask.project}"}
    primary = route.steps[:1] if route is not None else ()
    return Thrift(table, ask, health, payers, (*((override,) if override else ()), *primary))
