"""What must hold before a pair may be decided at all, whatever its e-value."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from analytics.stats.arrays import Bools, Floats, Ints
from analytics.stats.measures import Cost
from analytics.stats.pairs import Pairs, by_night
from analytics.stats.results import MIN_GRADED, MIN_NIGHTS, Kind

LABELLED = 0.95  # of the drawn items of each arm
LABELLED_APART = 0.02  # at most, between the arms: labels that miss one arm's failures flatter it


@dataclass(frozen=True, slots=True)
class Gates:
    """By pair: which gates stand open."""

    graded: Floats  # the challenger's graded items
    nights: Ints  # with graded items of both
    has_items: Bools
    has_nights: Bools
    has_labels: Bools
    has_peace: Bools  # no incident of either arm tonight

    @property
    def are_open(self) -> Bools:
        return self.has_items & self.has_nights & self.has_labels & self.has_peace


def gates(pairs: Pairs, night: int, is_bad: Bools, outages: Collection[str]) -> Gates:
    """The gates of every pair tonight; `is_bad` says which (pair, night) had an incident."""
    graded_a, graded_b = by_night(pairs, "graded")
    together = (graded_a > 0) & (graded_b > 0)
    nights = np.array([together[pairs.span(pair)].sum() for pair in range(len(pairs.of))], dtype=np.int64)
    graded = pairs.totals["graded"]
    return Gates(
        graded=graded[1],
        nights=nights,
        has_items=graded[1] >= MIN_GRADED,
        has_nights=nights >= MIN_NIGHTS,
        has_labels=_has_labels(graded, pairs.totals["drawn"]),
        has_peace=_has_peace(pairs, night, is_bad, outages),
    )


def _has_labels(graded: tuple[Floats, Floats], drawn: tuple[Floats, Floats]) -> Bools:
    a, b = (n / np.maximum(of, 1) for n, of in zip(graded, drawn, strict=True))
    return (a >= LABELLED) & (b >= LABELLED) & (np.abs(a - b) <= LABELLED_APART)


def _has_peace(pairs: Pairs, night: int, is_bad: Bools, outages: Collection[str]) -> Bools:
    peace = np.array(
        [run.served.model not in outages and challenger.model not in outages for run, challenger in pairs.of],
        dtype=bool,
    )
    last = pairs.starts[1:] - 1
    peace &= ~(is_bad[last] & (pairs.nights[last] == night))
    return peace


def conditions(cost: Cost) -> dict[Kind, Bools]:
    """What each kind needs beside its e-value, by pair.

    A faster model that is dearer is no latency proposal, or cost and latency would propose each other's undoing.
    """
    return {
        Kind.QUALITY: np.ones(cost.is_dearer.size, dtype=bool),
        Kind.COST: cost.saving_bound < 0,
        Kind.LATENCY: ~cost.is_dearer,
    }
