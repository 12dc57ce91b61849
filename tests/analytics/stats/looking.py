"""Looking every night, as the nightly job does."""

import pandas as pd

from analytics.stats import blocks as blocks_module
from analytics.stats.comparisons import compare
from analytics.stats.results import Comparison, Kind, TaskSettings
from benchmarks.looks import first_proof, first_proposals
from benchmarks.worlds import START, last_night

DEFAULTS = TaskSettings()


def folded(items: pd.DataFrame, nights: int) -> pd.DataFrame:
    """The blocks of a world's items."""
    return blocks_module.fold(items, {}, START, last_night(nights))[0]


def verdicts(blocks: pd.DataFrame, nights: int, settings: TaskSettings = DEFAULTS) -> list[Kind]:
    """The first verdict on task type "t" in nightly looks, as a list; [] = none in all of them."""
    found = first_proposals(blocks, nights, {"t": settings})
    return [proposal.kind for proposal in found.values() if proposal]


def first_nights(blocks: pd.DataFrame, nights: int, kind: Kind = Kind.QUALITY) -> list[int | None]:
    """first_proof of every route of a world of counts."""
    return [first_proof(one.trail, kind) for one in compare(blocks, last_night(nights), {})]


def share_ever(found: list[int | None]) -> float:
    """Which share of the routes was ever high."""
    return sum(night is not None for night in found) / len(found)


def only(comparisons: list[Comparison]) -> Comparison:
    """The one comparison of a world with one pair."""
    (one,) = comparisons
    return one
