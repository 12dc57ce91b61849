"""All of a night's findings, as arrays by pair, before they are told pair by pair."""

from dataclasses import dataclass

import numpy as np

from analytics.stats.arrays import Floats, sums
from analytics.stats.gates import Gates
from analytics.stats.measures import Cost, Gap
from analytics.stats.pairs import Pairs
from analytics.stats.proofs import Processes, Tonight
from analytics.stats.results import Kind

N_BUCKETS = 5  # 0 before the size edges are frozen, then 1 to 4
RECENT_NIGHTS = 28  # "today's rate" is taken over so many nights


@dataclass(frozen=True, slots=True)
class Found:
    """What was found tonight."""

    pairs: Pairs
    today: int  # days since 1970
    allowed_loss: Floats  # margin in force: how much worse a cheaper or faster challenger may be
    needed_lead: Floats  # by how much a challenger must be better: 0, or the margin if dearer
    gates: Gates
    success: Gap
    by_bucket: Gap  # group = N_BUCKETS · pair + bucket
    bucket_counts: tuple[Floats, ...]  # graded and successes of the incumbent, then of the challenger, by that group
    graded_by_night: tuple[Floats, Floats]  # by (pair, night): (incumbent's, challenger's)
    cost: Cost
    ttft: Gap
    total: Gap
    processes: Processes
    kinds: dict[Kind, Tonight]
    graded_pace: tuple[Floats, Floats]  # items a night over the last 28: (incumbent's, challenger's)
    opened_pace: tuple[Floats, Floats]

    def last(self, by_night: Floats) -> Floats:
        """The value after each pair's latest night."""
        return by_night[self.pairs.starts[1:] - 1]


def pace(pairs: Pairs, today: int, column: str) -> tuple[Floats, Floats]:
    """A count a night over the last 28 nights, by pair: (incumbent's, challenger's).

    Over fewer nights where the pair is younger; nights without traffic count.
    """
    shown = (pairs.b["opened"] > 0) | (pairs.b["graded"] > 0)
    first = np.full(len(pairs.of), today)
    np.minimum.at(first, pairs.pair[shown], pairs.night[shown])
    use = (pairs.night > today - RECENT_NIGHTS) & (pairs.night >= first[pairs.pair])
    nights = np.minimum(RECENT_NIGHTS, today - first + 1)
    a, b = (sums(pairs.pair[use], arm[column][use], len(pairs.of)) / nights for arm in (pairs.a, pairs.b))
    return a, b
