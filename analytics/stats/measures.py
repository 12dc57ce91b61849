"""How far apart the arms of every pair are: success, cost and speed, compared within blocks only."""

from dataclasses import dataclass

import numpy as np

from analytics.stats.arrays import Bools, Floats, Ints, sums
from analytics.stats.pairs import Pairs, by_night
from analytics.stats.results import ALPHA, CHEAPER, DEARER
from analytics.stats.sequences import radius, stratified
from analytics.stats.yardsticks import RUN_IN_NIGHTS

PRICED = 0.95  # an arm with a smaller share of priced items has no known cost


@dataclass(frozen=True, slots=True)
class Gap:
    """Stratified differences challenger − incumbent by group (pair, or pair and bucket); NaN = nothing to compare."""

    estimate: Floats
    se: Floats


@dataclass(frozen=True, slots=True)
class Cost:
    """What a work item costs, by pair; NaN where an arm is unpriced."""

    incumbent: Floats  # stratified means, USD
    challenger: Floats
    gap: Gap
    star: Floats  # se* of the intervals: 5 % of the incumbent's mean over its first seven nights
    saving_bound: Floats  # upper bound of mean(challenger) − 0.8 · mean(incumbent)
    is_priced: Bools  # ≥ 95 % of both arms' items have a price
    is_dearer: Bools  # one unknown cost counts as dearer, two do not: then money is no matter here


def success_gap(pairs: Pairs, group: Ints, n_groups: int) -> Gap:
    """The difference of success rates over the strata (bucket, share vector, night) of each group.

    Variances come from each arm's rate over all nights of a cell, as (s + 1)/(n + 2): never 0, however few the items.
    """
    (na, sa), (nb, sb) = ((arm["graded"], arm["successes"]) for arm in (pairs.a, pairs.b))
    both = (na > 0) & (nb > 0)
    cell = _cells(pairs)
    rates = [(_over(cell, s) + 1) / (_over(cell, n) + 2) for n, s in ((na, sa), (nb, sb))]
    na, sa, nb, sb, pa, pb = (x[both] for x in (na, sa, nb, sb, *rates))
    variance = pa * (1 - pa) / na + pb * (1 - pb) / nb
    return Gap(*stratified(group[both], n_groups, na, nb, sb / nb - sa / na, variance))


def log_gap(pairs: Pairs, measure: str) -> Gap:
    """The difference of mean ln(ms) of "ttft" or "total" by pair: exp of it is the ratio of geometric means."""
    columns = f"{measure}_n", f"{measure}_log_sum", f"{measure}_log_sq"
    return _mean_gap(pairs, [[arm[name] for name in columns] for arm in (pairs.a, pairs.b)], 1.0)


def cost(pairs: Pairs) -> Cost:
    """The cost of each pair's work items."""
    columns = "priced", "cost_sum", "cost_sq"
    arms = [[arm[name] for name in columns] for arm in (pairs.a, pairs.b)]
    (na, sums_a, _), (nb, sums_b, _) = arms
    both = (na > 0) & (nb > 0)
    n_pairs = len(pairs.of)
    means = [
        stratified(pairs.pair[both], n_pairs, na[both], nb[both], sums[both] / n[both], np.zeros(both.sum()))[0]
        for n, sums in ((na, sums_a), (nb, sums_b))
    ]
    gap, against = _mean_gap(pairs, arms, 1.0), _mean_gap(pairs, arms, CHEAPER)
    star = 0.05 * _first_mean(pairs)
    opened, priced = pairs.totals["opened"], pairs.totals["priced"]
    is_priced = (priced[0] >= PRICED * opened[0]) & (priced[1] >= PRICED * opened[1]) & ~np.isnan(gap.se)
    incumbent, challenger = (np.where(is_priced, mean, np.nan) for mean in means)
    bound = np.where(is_priced, against.estimate + radius(against.se, star, ALPHA), np.nan)
    none_priced = (priced[0] == 0) & (priced[1] == 0)
    is_dearer = ~none_priced & (~is_priced | (challenger > DEARER * incumbent))
    return Cost(incumbent, challenger, gap, star, bound, is_priced, is_dearer)


def _first_mean(pairs: Pairs) -> Floats:
    """The incumbent's mean cost over the first seven nights of its run that have any; NaN without."""
    (n, _), (spent, _) = by_night(pairs, "priced"), by_night(pairs, "cost_sum")
    means = np.full(len(pairs.of), np.nan)
    for pair in range(len(pairs.of)):
        span = pairs.span(pair)
        first = np.flatnonzero(n[span])[:RUN_IN_NIGHTS]
        if first.size:
            means[pair] = spent[span][first].sum() / n[span][first].sum()
    return means


def _mean_gap(pairs: Pairs, arms: list[list[Floats]], weight_a: float) -> Gap:
    """mean(challenger) − weight_a · mean(incumbent) by pair, from (n, Σx, Σx²) of both arms.

    A cell's variance is taken over all its nights; a cell with one value borrows its arm's.
    """
    (na, xa, _), (nb, xb, _) = arms
    both = (na > 0) & (nb > 0)
    va, vb = (_variance(pairs, *arm)[both] for arm in arms)
    na, xa, nb, xb = (x[both] for x in (na, xa, nb, xb))
    variance = vb / nb + weight_a**2 * va / na
    return Gap(*stratified(pairs.pair[both], len(pairs.of), na, nb, xb / nb - weight_a * xa / na, variance))


def _variance(pairs: Pairs, n: Floats, x: Floats, xx: Floats) -> Floats:
    in_cell, in_arm = (
        _sample_variance(*(_over(group, y) for y in (n, x, xx))) for group in (_cells(pairs), pairs.pair)
    )
    return np.where(np.isnan(in_cell), in_arm, in_cell)


def _sample_variance(n: Floats, x: Floats, xx: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        # Rounding may leave −1e-20 where all values are equal.
        return np.where(n > 1, np.maximum(xx - x * x / n, 0.0) / (n - 1), np.nan)


def _cells(pairs: Pairs) -> Ints:
    return pairs.pair * (int(pairs.cell.max(initial=0)) + 1) + pairs.cell


def _over(group: Ints, values: Floats) -> Floats:
    """The sum over each row's group, at each row."""
    return sums(group, values)[group] if group.size else values
