"""Intervals: shown beside the e-values, and deciding only for cost.

A confidence sequence holds at all nights at once, so it may be looked at every night like the e-values.
"""

import numpy as np
import numpy.typing as npt

from analytics.stats.arrays import Floats, Ints, sums
from analytics.stats.results import ALPHA, Interval

SUCCESS_STAR = 0.015  # standard error at which the success interval is tightest: five points wide


def radius(se: npt.ArrayLike, se_star: npt.ArrayLike, alpha: npt.ArrayLike = ALPHA) -> Floats:
    """Half-width of the asymptotic confidence sequence, one-sided at level alpha (take alpha / 2 for both sides).

    se·√(2(1 + 1/η)·ln(1 + √(1 + η)/(2α))), η = 8(se*/se)²: tightest, compared with an interval for one look, about
    where se falls to se*. 0 where se is 0. Source: Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2024.
    """
    se = np.asarray(se, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        eta = 8 * (np.asarray(se_star, dtype=float) / se) ** 2
        wide = se * np.sqrt(2 * (1 + 1 / eta) * np.log(1 + np.sqrt(1 + eta) / (2 * np.asarray(alpha))))
    return np.where(se > 0, wide, 0.0)


def two_sided(estimate: float, se: float, se_star: float, alpha: float = ALPHA) -> Interval:
    """The estimate with its confidence sequence at level 1 − alpha, both sides together."""
    half = float(radius(se, se_star, alpha / 2))
    return Interval(estimate, estimate - half, estimate + half)


def stratified(
    group: Ints, n_groups: int, na: Floats, nb: Floats, difference: Floats, variance: Floats
) -> tuple[Floats, Floats]:
    """Σ v·difference / Σ v and its standard error, by group; NaN where a group has no stratum with both arms.

    A row is a stratum with counts na, nb > 0, v = na·nb/(na + nb); `variance` is that of its difference.
    """
    v = na * nb / (na + nb)
    total = sums(group, v, n_groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = sums(group, v * difference, n_groups) / total
        se = np.sqrt(sums(group, v * v * variance, n_groups)) / total
    return mean, se
