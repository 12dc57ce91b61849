"""Looking every night, as the nightly job does."""

import pandas as pd

from analytics.stats import blocks as blocks_module
from analytics.stats.comparisons import compare
from analytics.stats.results import MIN_NIGHTS, Comparison, Kind, TaskSettings
from benchmarks.worlds import START, first_proof, last_night

DEFAULTS = TaskSettings()


def folded(items: pd.DataFrame, nights: int) -> pd.DataFrame:
    """The blocks of a world's items."""
    return blocks_module.fold(items, {}, START, last_night(nights))[0]


def verdicts(blocks: pd.DataFrame, nights: int, settings: TaskSettings = DEFAULTS) -> list[Kind]:
    """The first verdict on task type "t" in looks at every second night, as a list; [] = none in all of them."""
    for night in range(nights, 0, -2)[::-1]:
        if night >= MIN_NIGHTS:
            found = compare(blocks, last_night(night), {"t": settings})
            if any(one.verdict for one in found):
                return [one.verdict for one in found if one.verdict]
    return []


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
