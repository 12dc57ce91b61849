"""The tier chain: the same tier at other providers, then the next lower tier, then the original model by its API key."""

from collections.abc import Iterator
from dataclasses import dataclass

from routing.policy.table import LOWER_TIER_MAX_HOPS, TIERS, Model, Table
from routing.terms.words import CredentialKind, TaskKind


@dataclass(frozen=True, slots=True)
class Hop:
    model: str  # "provider:model"
    credential_kind: CredentialKind


def chain(
    table: Table,
    origin: str,
    *,
    rotation: tuple[str, ...] = (),
    lower_tier_max_hops: int | None = LOWER_TIER_MAX_HOPS,
) -> tuple[Hop, ...]:
    """The hops after `origin` ("provider:model"), whether they are ready or not. () for a model without a tier, or unknown.

    `rotation` is the order of providers; () asks the origin's provider for its own. One model a provider and tier: the first in the order
    of slugs. `lower_tier_max_hops` None takes all of the lower tier.
    """
    model = table.models.get(origin)
    if model is None or model.tier not in TIERS or model.provider not in table.providers:
        return ()
    rotation = rotation or table.providers[model.provider].rotation
    others = tuple(each for each in dict.fromkeys(rotation) if each != model.provider)
    same = _of_tier(table, model.tier, others)
    lower = _of_tier(table, below(model.tier), (model.provider, *others))
    hops = [*same, *list(lower)[:lower_tier_max_hops]]
    return (
        *(Hop(each.key, CredentialKind.OAUTH) for each in hops),
        Hop(model.key, CredentialKind.API_KEY),
    )


def below(tier: str) -> str:
    """The next lower tier; "" below the lowest."""
    place = TIERS.index(tier) + 1
    return TIERS[place] if place < len(TIERS) else ""


def _of_tier(table: Table, tier: str, providers: tuple[str, ...]) -> Iterator[Model]:
    for provider in providers:
        of_provider = [
            each
            for each in table.models.values()
            if each.provider == provider and each.tier == tier and tier and each.enabled and each.kind is TaskKind.CHAT
        ]
        yield from sorted(of_provider, key=lambda each: each.slug)[:1]
