"""A work item's number in [0, 1), the arm that number chooses, and the probability of that arm.

The number is a keyed hash of the item's name, which is one of (task type, client, session or call): every worker says the same without asking
another, and no client can choose its arm without the key.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from routing.terms.candidate import Candidate, Plan
from routing.terms.words import Role

Shares = Sequence[tuple[str, float]]


def uniform(item: UUID, key: bytes, purpose: bytes = b"arm") -> float:
    """A number in [0, 1) that only the key's owner can foresee. One key and purpose, one number an item."""
    digest = hashlib.blake2b(item.bytes, digest_size=8, key=key, person=purpose).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def canonical(shares: Shares) -> str:
    """The share vector in one spelling: "anthropic:haiku=0.05|anthropic:opus=0.95"; "" when only one model could be drawn.

    Spelled as `analytics.stats.shares.share_key` reads it: six digits tell all shares apart that anybody sets.
    """
    if len(shares) < 2:
        return ""
    return "|".join(f"{model}={share:.6g}" for model, share in sorted(shares))


def draw(shares: Shares, u: float) -> tuple[str, float]:
    """The model whose stretch of [0, 1) holds `u`, with its probability. Raises ValueError for no shares or a `u` outside."""
    if not shares or not 0 <= u < 1:
        raise ValueError("nothing to draw from, or not by a number in [0, 1)")
    edge = 0.0
    for model, share in shares:
        edge += share
        if u < edge:
            return model, share
    return shares[-1]  # sums of shares may end a rounding error under 1


def drawn(plan: Plan, u: float) -> tuple[tuple[Candidate, ...], float | None]:
    """The candidates in the order in which they are tried once the arm is drawn, and the first one's probability.

    The probability is None where it means nothing: the route's own primary is not the one that is tried first.
    """
    if not plan.shares:
        return plan.candidates, None
    key, _ = draw(plan.stretches or plan.shares, u)
    share = dict(plan.shares)[key]
    arm = next((each for each in plan.challengers if each.key == key), None)
    if arm is None:
        return plan.candidates, share
    rest = tuple(each for each in plan.candidates if each.key != key)
    return (arm, *(replace(each, role=_after(each.role)) for each in rest)), share


def _after(role: Role) -> Role:
    """Whoever stands behind the drawn arm is there for its failure."""
    return Role.FALLBACK if role is Role.PRIMARY else role
