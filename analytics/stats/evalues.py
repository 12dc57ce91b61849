"""Who decides: capped e-values for "the challenger's rate is at most the incumbent's minus m".

The hypothesis is about the night's items as a whole: Σ v·(θb − θa) ≤ −m·Σ v over its blocks, v = na·nb/(na + nb), the
weights of the stratified difference that is shown. What a challenger gains on some prompts and loses on others is
weighed up, and not bet on block by block. A night with counts (na, sa, nb, sb) a block gives e = likelihood under our
guess / likelihood under the nearest point that the hypothesis allows. E[e] ≤ 1 whenever it is true, exactly and at any
size, so products over nights may be looked at every night (Ville): P(product ever ≥ K/α) ≤ α/K. Source: Turner, Ly &
Grünwald, "Generic e-variables for exact sequential k-sample tests", 2021, whose proof needs no more than that the
hypothesis is convex and the nearest point is measured by Σ n·KL over all samples.

Everything here works on many pairs at once: rows sorted by (pair, night, cell), where a cell is a (size bucket, share
vector).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.stats.arrays import Bools, Floats, Ints, sums

PRIOR_SUCCESSES, PRIOR_N = 4, 5  # before any count an arm is guessed at 80 %
CELL_WEIGHT = 5  # an arm's own rate counts as so many items in each cell
HINT_WEIGHT = 100  # challenger items at which the data outweigh the hint
HINT = 0.03  # hoped-for advantage of a better challenger before the data say otherwise
LOWEST = 0.005  # guesses about the challenger stay this far from 0 and 1
NIGHTS_TO_AGREE = 5  # a night counts at most as the fifth root of what a proof needs
TOLERANCE = 1e-9  # five capped nights make K/α exactly, up to rounding
BISECTIONS = 50


@dataclass(frozen=True, slots=True)
class Rows:
    """Block counts of both arms of many pairs, sorted by (pair, night, cell), one row each."""

    pair: Ints  # 0, 1, 2 …
    night: Ints  # days since 1970
    cell: Ints
    na: Floats  # incumbent: items that count for this hypothesis
    sa: Floats  # … and their successes
    nb: Floats  # challenger
    sb: Floats


def log_e(
    night: Ints, n_nights: int, na: Floats, sa: Floats, nb: Floats, sb: Floats, ta: Floats, tb: Floats, m: Floats
) -> Floats:
    """ln e of each night, for H0 "Σ v·(θb − θa) ≤ −m·Σ v" and the guesses ta, tb; 0 where no bet is made.

    `night` numbers the night of each block. A block with an empty arm says nothing; no bet where the guess lies in H0.
    """
    out = np.zeros(n_nights)
    both = (na > 0) & (nb > 0)
    night, (na, sa, nb, sb, ta, tb, m) = night[both], (x[both] for x in (na, sa, nb, sb, ta, tb, m))
    bets = sums(night, weights(na, nb) * (tb - ta + m), n_nights) > 0
    use = bets[night]
    night, (na, sa, nb, sb, ta, tb, m) = night[use], (x[use] for x in (na, sa, nb, sb, ta, tb, m))
    x, y = nearest(night, n_nights, na, nb, ta, tb, m)
    ratio = (
        sa * np.log(ta / x)
        + (na - sa) * np.log((1 - ta) / (1 - x))
        + sb * np.log(tb / y)
        + (nb - sb) * np.log((1 - tb) / (1 - y))
    )
    out[bets] = sums(night, ratio, n_nights)[bets]
    return out


def weights(na: Floats, nb: Floats) -> Floats:
    """What each block counts for: v = na·nb/(na + nb), of blocks with both arms."""
    return na * nb / (na + nb)


def nearest(
    night: Ints, n_nights: int, na: Floats, nb: Floats, ta: Floats, tb: Floats, m: Floats
) -> tuple[Floats, Floats]:
    """The (x, y) of each block with Σ v·(y − x + m) = 0 a night that minimise Σ na·KL(ta‖x) + nb·KL(tb‖y).

    For nights whose guesses lie outside the hypothesis. By Lagrange na·(x − ta)/(x(1 − x)) = c = nb·(tb − y)/(y(1 − y))
    with c = λ·v in every block: two quadratic equations, and one λ a night, found by bisection of λ/(1 + λ).
    """
    v = weights(na, nb)
    low, high = np.zeros(n_nights), np.ones(n_nights)
    for _ in range(BISECTIONS):
        x, y = _moved(((low + high) / 2)[night], v, na, nb, ta, tb)
        is_outside = sums(night, v * (y - x + m), n_nights) > 0
        low, high = np.where(is_outside, (low + high) / 2, low), np.where(is_outside, high, (low + high) / 2)
    return _moved(((low + high) / 2)[night], v, na, nb, ta, tb)


def _moved(part: Floats, v: Floats, na: Floats, nb: Floats, ta: Floats, tb: Floats) -> tuple[Floats, Floats]:
    """(x, y) at λ = part/(1 − part): ta moved up and tb moved down."""
    c = part / (1 - part) * v
    x = 2 * na * ta / (na - c + np.sqrt((na - c) ** 2 + 4 * c * na * ta))
    y = 2 * nb * tb / (nb + c + np.sqrt((nb + c) ** 2 - 4 * c * nb * tb))
    return x, y


def guesses(rows: Rows, m: Floats) -> tuple[Floats, Floats]:
    """(ta, tb) for each row from the nights before its own: a bet placed before the outcome is seen.

    `m` a row. Every arm's rate in a cell leans on its rate over all cells; the challenger's lead is the stratified
    difference so far, leaning on a hint.
    """
    pair_night = _Earlier(rows.pair, rows.night)
    cell_night = _Earlier(rows.pair * (rows.cell.max(initial=0) + 1) + rows.cell, rows.night)
    na_all, sa_all, nb_all = (pair_night.sum(x) for x in (rows.na, rows.sa, rows.nb))
    rate_a = (sa_all + PRIOR_SUCCESSES) / (na_all + PRIOR_N)
    ta = (cell_night.sum(rows.sa) + CELL_WEIGHT * rate_a) / (cell_night.sum(rows.na) + CELL_WEIGHT)
    both = (rows.na > 0) & (rows.nb > 0)
    na, nb = np.where(both, rows.na, 1.0), np.where(both, rows.nb, 1.0)
    v = np.where(both, weights(na, nb), 0.0)
    v_all = pair_night.sum(v)
    lead = pair_night.sum(v * (rows.sb / nb - rows.sa / na)) / np.where(v_all > 0, v_all, 1.0)
    w = nb_all / (nb_all + HINT_WEIGHT)
    tb = ta + w * lead + (1 - w) * np.where(m > 0, 0.0, HINT)
    # Not clipped below 1: it leans on the prior, and against an incumbent that never fails 99.5 % is a losing guess.
    ta = np.maximum(np.maximum(ta, LOWEST), m + 0.01)
    tb = np.minimum(np.clip(tb, LOWEST, 1 - LOWEST), 1 - (1 - ta) / 2)
    return ta, tb


class _Earlier:
    """Sums over the rows of the same group and an earlier night."""

    def __init__(self, group: Ints, night: Ints) -> None:
        self.order = np.lexsort((night, group))
        group, night = group[self.order], night[self.order]
        new_group = np.append(True, group[1:] != group[:-1])[: group.size]
        new_night = new_group | np.append(True, night[1:] != night[:-1])[: group.size]
        index = np.arange(group.size)
        self.group_start = np.maximum.accumulate(np.where(new_group, index, 0))
        self.night_start = np.maximum.accumulate(np.where(new_night, index, 0))

    def sum(self, values: Floats) -> Floats:
        """The sum for each row, in the rows' own order."""
        before = np.append(0.0, np.cumsum(values[self.order]))
        sums = np.empty(values.size)
        sums[self.order] = before[self.night_start] - before[self.group_start]
        return sums


def night_log_e(rows: Rows, m: Floats, pair_night: Ints, n_pair_nights: int) -> Floats:
    """ln e of each (pair, night), uncapped. `m` and `pair_night` (its number) a row."""
    ta, tb = guesses(rows, m)
    return log_e(pair_night, n_pair_nights, rows.na, rows.sa, rows.nb, rows.sb, ta, tb, m)


def log_threshold(challengers: npt.ArrayLike, alpha: float) -> Floats:
    """ln(K/α): what a pair's product must reach when the incumbent was compared with K challengers."""
    return np.log(np.asarray(challengers, dtype=float) / alpha)


def capped_product(nightly: Floats, log_thresholds: Floats) -> Floats:
    """ln E after each night of one pair, every night capped at the fifth root of that night's threshold.

    So at least five nights must agree, and one incident day decides nothing. The cap is the threshold's of its own
    night: evidence once shown is not rewritten when a challenger joins.
    """
    return np.cumsum(np.minimum(nightly, log_thresholds / NIGHTS_TO_AGREE))


def reaches(log_evidence: npt.ArrayLike, log_thresholds: npt.ArrayLike) -> Bools:
    """Whether the evidence reaches the threshold, compared in logarithms with a tolerance for rounding."""
    return np.asarray(log_evidence) >= np.asarray(log_thresholds) - TOLERANCE
