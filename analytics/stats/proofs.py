"""The four e-processes of every pair, and what they prove tonight."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analytics.stats.arrays import Bools, Floats, Ints
from analytics.stats.discoveries import e_bh
from analytics.stats.evalues import Rows, capped_product, log_threshold, night_log_e, reaches
from analytics.stats.pairs import Pairs
from analytics.stats.results import ALPHA, DISCOVERY, Kind

P95_MARGIN = 0.01  # a faster model may be slower than T95 on one item in a hundred more


@dataclass(frozen=True, slots=True)
class Processes:
    """ln E after each (pair, night), and the threshold that night."""

    better: Floats  # success: better, by more than the margin where the challenger is dearer
    not_worse: Floats  # success: not worse than the margin
    faster: Floats  # more often within T50
    not_slower: Floats  # not less often within T95
    log_threshold: Floats  # ln(K/α)
    challengers: Ints  # K


@dataclass(frozen=True, slots=True)
class Tonight:
    """By pair, for one kind: its evidence tonight, and what it is worth."""

    log_e: Floats
    is_met: Bools  # what the kind needs apart from its e-value
    is_eligible: Bools  # … and the gates stand open
    is_discovery: Bools
    is_proved: Bools


def processes(pairs: Pairs, allowed_loss: Floats, needed_lead: Floats, is_bad: Bools) -> Processes:
    """The e-processes of all pairs: how much worse a cheaper or faster one may be, and by how much "better" is meant.

    A night of an incident counts as 1 at most: what broke for a day is no merit of the other model.
    """
    challengers = _challengers(pairs)
    logs = log_threshold(challengers, ALPHA)
    success = pairs.rows("graded", "successes")
    none = np.zeros(len(pairs.of))

    def process(rows: Rows, m: Floats) -> Floats:
        nightly = night_log_e(rows, m[pairs.pair], pairs.pair_night, pairs.nights.size)
        nightly = np.where(is_bad, np.minimum(nightly, 0.0), nightly)
        products = [capped_product(nightly[span], logs[span]) for span in map(pairs.span, range(len(pairs.of)))]
        return np.concatenate([np.zeros(0), *products])

    return Processes(
        better=process(success, -needed_lead),
        not_worse=process(success, allowed_loss),
        faster=process(_within(pairs, "slower_p50"), none),
        not_slower=process(_within(pairs, "slower_p95"), none + P95_MARGIN),
        log_threshold=logs,
        challengers=challengers,
    )


def _within(pairs: Pairs, slower: str) -> Rows:
    """Items within the threshold as successes, of all items timed against it."""
    arms = [(arm["timed"], arm["timed"] - arm[slower]) for arm in (pairs.a, pairs.b)]
    return Rows(pairs.pair, pairs.night, pairs.cell, *arms[0], *arms[1])


def _challengers(pairs: Pairs) -> Ints:
    """K by (pair, night): challengers ever compared with the incumbent, up to that night."""
    counts = np.ones(pairs.nights.size, dtype=np.int64)
    for number, (run, _) in enumerate(pairs.of):
        grown, k = (np.array(column, dtype=np.int64) for column in zip(*run.ever, strict=True))
        span = pairs.span(number)
        counts[span] = k[np.maximum(np.searchsorted(grown, pairs.nights[span], side="right") - 1, 0)]
    return counts


def kinds_tonight(
    pairs: Pairs, found: Processes, gates_open: Bools, conditions: Mapping[Kind, Bools]
) -> dict[Kind, Tonight]:
    """What each kind proves tonight: high enough alone, and in its list beside all pairs that meet the gates.

    `conditions` are what a kind needs apart from its e-value; where they fail it counts as 0 in the list.
    """
    better, not_worse, faster, not_slower, threshold = (
        x[pairs.starts[1:] - 1]
        for x in (found.better, found.not_worse, found.faster, found.not_slower, found.log_threshold)
    )
    evidence = {
        Kind.QUALITY: better,
        Kind.COST: not_worse,
        Kind.LATENCY: np.minimum(np.minimum(faster, not_slower), not_worse),
    }
    tonight = {}
    for kind, log_e in evidence.items():
        is_eligible = gates_open & conditions[kind]
        is_discovery = np.zeros(log_e.size, dtype=bool)
        is_discovery[gates_open] = e_bh(np.where(is_eligible, log_e, -np.inf)[gates_open], DISCOVERY)
        is_proved = is_eligible & is_discovery & reaches(log_e, threshold)
        tonight[kind] = Tonight(log_e, conditions[kind], is_eligible, is_discovery, is_proved)
    return tonight
