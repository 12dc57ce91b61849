"""Every night's look at once: on which night each route would first have been proposed.

One comparison after the last night tells how the e-values stood after each; only the nights on which one stood high
enough need a look of their own.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pandas as pd

from analytics.stats.comparisons import compare
from analytics.stats.evalues import reaches
from analytics.stats.results import MIN_GRADED, MIN_NIGHTS, Comparison, Kind, NightPoint, TaskSettings
from benchmarks.worlds import START, last_night


@dataclass(frozen=True, slots=True)
class Proposal:
    """The first proposal on a route."""

    night: int  # counted from 1
    kind: Kind


def first_proposals(
    blocks: pd.DataFrame,
    nights: int,
    settings: Mapping[str, TaskSettings] | None = None,
    kinds: Collection[Kind] = tuple(Kind),
) -> dict[str, Proposal | None]:
    """By task type, of one pair each: its first proposal of these kinds in so many nightly looks; None = never.

    Every pair is looked at alone, the harshest: among others it must also be in the night's list, which asks no more of
    a pair alone than 10, half of what its own threshold does.
    """
    settings = settings or {}
    found: dict[str, Proposal | None] = {}
    high: dict[dt.date, list[str]] = {}
    for one in compare(blocks, last_night(nights), settings):
        found[one.task_type] = None
        for point in one.trail[MIN_NIGHTS - 1 :]:
            if any(is_high(point, kind) for kind in kinds):
                high.setdefault(point.night, []).append(one.task_type)
    blocks = blocks[blocks["task_type"].isin({task for tasks in high.values() for task in tasks})]
    for night in sorted(high):
        if waiting := [task for task in high[night] if found[task] is None]:
            for one in compare(blocks[blocks["task_type"].isin(waiting)], night, settings):
                if kind := proved(one, kinds):
                    found[one.task_type] = Proposal((night - START).days + 1, kind)
    return found


def proved(one: Comparison, kinds: Collection[Kind] = tuple(Kind)) -> Kind | None:
    """The kind that this pair would have proved alone; None = none of them."""
    alone = (proof.kind for proof in one.proofs if proof.is_eligible and proof.e_value >= one.threshold * (1 - 1e-9))
    return next((kind for kind in alone if kind in kinds), None)


def share_proposed(found: Mapping[str, Proposal | None]) -> float:
    """Which share of the routes was ever proposed."""
    return sum(proposal is not None for proposal in found.values()) / len(found)


def first_proof(points: tuple[NightPoint, ...], kind: Kind) -> int | None:
    """The first night (from 1) with the e-value at its threshold and enough items and nights; None = never.

    Less strict than a proposal, which also needs peace, labels and the kind's other conditions.
    """
    return next(
        (number for number, point in enumerate(points, 1) if number >= MIN_NIGHTS and is_high(point, kind)), None
    )


def is_high(point: NightPoint, kind: Kind) -> bool:
    """Whether the e-value stands at its threshold that night, on enough items."""
    return point.n_challenger >= MIN_GRADED and bool(reaches(_log_e(point, kind), point.log_threshold))


def _log_e(point: NightPoint, kind: Kind) -> float:
    if kind is Kind.QUALITY:
        return point.log_better
    if kind is Kind.COST:
        return point.log_not_worse
    return min(point.log_faster, point.log_not_slower, point.log_not_worse)
