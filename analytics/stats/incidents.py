"""Nights on which something broke: no proof is announced in one, although its blocks still count."""

import numpy as np

from analytics.stats.arrays import Bools, Floats, Ints, sums

MIN_GRADED = 30  # items a day needs before it can be called bad
MONTH_NIGHTS = 28
POINTS_UNDER = 0.20
ERRORS_UNDER = 4.0


def is_bad_day(arm: Ints, n_arms: int, nights: Ints, graded: Floats, successes: Floats, night: int) -> Bools:
    """Whether tonight lies ≥ 20 points and ≥ 4 standard errors under the mean of the 28 nights before, by arm.

    One entry a row for `arm`, `nights`, `graded` and `successes`. An arm without an earlier night has no bad day.
    """
    tonight, month = nights == night, (nights >= night - MONTH_NIGHTS) & (nights < night)

    def total(values: Floats, which: Bools) -> Floats:
        return sums(arm[which], values[which], n_arms)

    n, n_before = total(graded, tonight), total(graded, month)
    rate = total(successes, tonight) / np.maximum(n, 1)
    # Smoothed: a perfect month must still have a standard error.
    before = (total(successes, month) + 1) / (n_before + 2)
    se = np.sqrt(before * (1 - before) * (1 / np.maximum(n, 1) + 1 / np.maximum(n_before, 1)))
    under = before - rate
    return (n >= MIN_GRADED) & (n_before > 0) & (under >= POINTS_UNDER) & (under >= ERRORS_UNDER * se)
