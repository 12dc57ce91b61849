"""Nights on which something broke: no proof is announced in one, and what it shows counts only against a change."""

import numpy as np

from analytics.stats.arrays import Bools, Floats, Ints
from analytics.stats.pairs import Pairs, by_night

MIN_GRADED = 30  # items a day needs before it can be called bad
MONTH_NIGHTS = 28
POINTS_UNDER = 0.20
ERRORS_UNDER = 4.0


def incidents(pairs: Pairs) -> Bools:
    """Which (pair, night) was a bad day of either arm."""
    pair = pairs.pair[np.searchsorted(pairs.pair_night, np.arange(pairs.nights.size))]
    counts = zip(by_night(pairs, "graded"), by_night(pairs, "successes"), strict=True)
    a, b = (bad_days(pair, pairs.nights, graded, successes) for graded, successes in counts)
    return a | b


def bad_days(arm: Ints, nights: Ints, graded: Floats, successes: Floats) -> Bools:
    """Which days lie ≥ 20 points and ≥ 4 standard errors under the mean of the arm's 28 days before.

    One entry an (arm, night), sorted so. An arm without an earlier graded item has no bad day.
    """
    if not arm.size:
        return np.zeros(0, dtype=bool)
    # One axis for all arms, further apart than a month.
    at = arm * (int(nights.max() - nights.min()) + MONTH_NIGHTS + 1) + nights
    first = np.searchsorted(at, at - MONTH_NIGHTS)
    n_before, good_before = (_earlier(first, values) for values in (graded, successes))
    rate = successes / np.maximum(graded, 1)
    # Smoothed: a perfect month must still have a standard error.
    before = (good_before + 1) / (n_before + 2)
    se = np.sqrt(before * (1 - before) * (1 / np.maximum(graded, 1) + 1 / np.maximum(n_before, 1)))
    under = before - rate
    is_bad: Bools = (graded >= MIN_GRADED) & (n_before > 0) & (under >= POINTS_UNDER) & (under >= ERRORS_UNDER * se)
    return is_bad


def _earlier(first: Ints, values: Floats) -> Floats:
    """The sum over the entries from `first` up to each one's own, without it."""
    total = np.append(0.0, np.cumsum(values))
    found: Floats = total[:-1] - total[first]
    return found
