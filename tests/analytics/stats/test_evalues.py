"""The night e-value against enumeration, scipy's optimiser and arithmetic."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, minimize_scalar
from scipy.special import rel_entr
from scipy.stats import binom

from analytics.stats.evalues import Rows, capped_product, guesses, log_e, log_threshold, nearest, night_log_e, reaches

rates = st.floats(0.01, 0.99)
margins = st.sampled_from([-0.05, -0.03, 0.0, 0.01, 0.03, 0.05])
sizes = st.integers(1, 9)


def arrays(*values: float) -> tuple[np.ndarray, ...]:
    return tuple(np.array([value], dtype=float) for value in values)


def one_block(na: float, sa: float, nb: float, sb: float, ta: float, tb: float, m: float) -> float:
    """ln e of a night of one block."""
    return float(log_e(np.array([0]), 1, *arrays(na, sa, nb, sb, ta, tb, m))[0])


def nearest_to_one(na: float, nb: float, ta: float, tb: float, m: float) -> tuple[float, float]:
    """(x, y) of a night of one block."""
    x, y = nearest(np.array([0]), 1, *arrays(na, nb, ta, tb, m))
    return float(x[0]), float(y[0])


def expected_e(na: int, nb: int, ta: float, tb: float, m: float, theta_a: float, theta_b: float) -> float:
    """E[e] by enumeration of all outcomes of a block."""
    sa, sb = (x.ravel() for x in np.meshgrid(np.arange(na + 1), np.arange(nb + 1), indexing="ij"))
    one = np.ones(sa.size)
    counts = na * one, sa.astype(float), nb * one, sb.astype(float)
    e = np.exp(log_e(np.arange(sa.size), sa.size, *counts, ta * one, tb * one, m * one))
    return float(np.sum(e * binom.pmf(sa, na, theta_a) * binom.pmf(sb, nb, theta_b)))


@given(na=sizes, nb=sizes, ta=rates, tb=rates, m=margins, theta_a=rates, below=st.floats(0, 0.5))
@settings(max_examples=300, deadline=None)
def test_the_expectation_under_the_hypothesis_is_at_most_one(
    na: int, nb: int, ta: float, tb: float, m: float, theta_a: float, below: float
) -> None:
    """Exactly, at any size, for any guess and any point of H0: θb ≤ θa − m."""
    ta = max(ta, m + 0.01)
    tb = min(tb, 1 - (1 - ta) / 2)
    theta_b = theta_a - m - below
    if 0 <= theta_b <= 1:
        assert expected_e(na, nb, ta, tb, m, theta_a, theta_b) <= 1 + 1e-9


def test_the_expectation_on_the_boundary_is_one_where_the_projection_lands() -> None:
    """At θa = x, θb = x − m the ratio integrates to one: it is a likelihood ratio against that very point."""
    x, y = nearest_to_one(7, 5, 0.7, 0.8, 0.03)
    assert y == pytest.approx(x - 0.03)
    assert expected_e(7, 5, 0.7, 0.8, 0.03, x, y) == pytest.approx(1.0)


def test_a_better_challenger_is_expected_to_grow() -> None:
    assert expected_e(40, 9, 0.7, 0.9, 0.0, 0.7, 0.9) > 1.2


@given(na=st.integers(1, 500), nb=st.integers(1, 500), ta=rates, tb=rates, m=margins)
@settings(max_examples=200, deadline=None)
def test_the_projection_is_the_minimum_that_an_optimiser_finds(
    na: int, nb: int, ta: float, tb: float, m: float
) -> None:
    ta, tb = max(ta, m + 0.01), min(tb, 0.99)
    if tb <= ta - m + 1e-4:
        return

    def kl(p: float, q: float) -> float:
        return float(rel_entr(p, q) + rel_entr(1 - p, 1 - q))

    def total(x: float) -> float:
        return na * kl(ta, x) + nb * kl(tb, x - m)

    low, high = max(m, 0.0) + 1e-9, min(1.0, 1.0 + m) - 1e-9
    outside = minimize_scalar(total, bounds=(low, high), method="bounded", options={"xatol": 1e-12})
    x, y = nearest_to_one(na, nb, ta, tb, m)
    assert y == pytest.approx(x - m, abs=1e-9)
    assert total(x) <= outside.fun + 1e-7


BLOCKS = np.array([[40, 6, 0.9, 0.95], [70, 3, 0.6, 0.5], [20, 9, 0.99, 0.97]])  # na, nb, ta, tb of one night


@pytest.mark.parametrize("m", [0.03, 0.0, -0.01])
def test_the_nearest_point_of_several_blocks_is_the_one_that_an_optimiser_finds(m: float) -> None:
    """The hypothesis is about the weighted mean of all blocks, so that (x, y) of each is free but for their sum."""
    na, nb, ta, tb = BLOCKS.T
    tb = tb + 0.08 * (1 - tb) + 0.02  # guessed better on the whole, so that there is a bet
    tb = np.minimum(tb, 0.995)
    v = na * nb / (na + nb)

    def total(point: np.ndarray) -> float:
        x, y = point[:3], point[3:]
        kl = na * (rel_entr(ta, x) + rel_entr(1 - ta, 1 - x)) + nb * (rel_entr(tb, y) + rel_entr(1 - tb, 1 - y))
        return float(kl.sum())

    def excess(point: np.ndarray) -> float:
        return float((v * (point[3:] - point[:3] + m)).sum())

    assert excess(np.concatenate([ta, tb])) > 0
    start = np.concatenate([ta, tb - (v * (tb - ta + m)).sum() / v.sum()])
    outside = minimize(
        total, start, method="SLSQP", bounds=[(1e-6, 1 - 1e-6)] * 6, constraints={"type": "eq", "fun": excess},
        options={"ftol": 1e-14, "maxiter": 500},
    )  # fmt: skip
    found = np.concatenate(nearest(np.zeros(3, dtype=np.int64), 1, na, nb, ta, tb, np.full(3, m)))
    assert excess(found) == pytest.approx(0.0, abs=1e-9)
    assert total(found) <= outside.fun + 1e-7
    np.testing.assert_allclose(found, outside.x, atol=1e-4)


@given(gains=st.lists(st.floats(-0.3, 0.3), min_size=2, max_size=2), guess=st.lists(rates, min_size=4, max_size=4))
@settings(max_examples=100, deadline=None)
def test_what_one_block_gains_and_another_loses_is_no_evidence(gains: list[float], guess: list[float]) -> None:
    """E[e] ≤ 1 by enumeration of two blocks of (5, 3) and (4, 4) items, wherever Σ v·(θb − θa) ≤ 0, for any guess."""
    na, nb = np.array([5.0, 4.0]), np.array([3.0, 4.0])
    v = na * nb / (na + nb)
    theta_a = np.array([0.5, 0.6])
    lead = np.array(gains)
    lead -= max(0.0, float((v * lead).sum() / v.sum()))
    theta_b = np.clip(theta_a + lead, 0.01, None)
    if (v * (theta_b - theta_a)).sum() > 0:
        return
    outcomes = np.indices((6, 4, 5, 5)).reshape(4, -1).astype(float)  # sa, sb of the first block, then of the second
    n = outcomes.shape[1]
    night, one = np.tile(np.arange(n), 2), np.ones(n)
    sa, sb = (np.concatenate([outcomes[i], outcomes[i + 2]]) for i in (0, 1))
    each = [np.concatenate([pair[0] * one, pair[1] * one]) for pair in (na, nb, guess[:2], guess[2:])]
    e = np.exp(log_e(night, n, each[0], sa, each[1], sb, each[2], each[3], np.zeros(2 * n)))
    p = np.ones(n)
    for block in (0, 1):
        p *= binom.pmf(outcomes[2 * block], na[block], theta_a[block])
        p *= binom.pmf(outcomes[2 * block + 1], nb[block], theta_b[block])
    assert float((e * p).sum()) <= 1 + 1e-9


def test_a_block_by_hand() -> None:
    """na = nb = 1, ta = .6, tb = .8, m = 0: x = .7 by symmetry of the slope; both succeed: (.6/.7)(.8/.7) = 48/49."""
    x, _ = nearest_to_one(1, 1, 0.6, 0.8, 0.0)
    # (x − .6)/(x(1−x)) + (x − .8)/(x(1−x)) = 0 ⇔ x = .7
    assert x == pytest.approx(0.7)
    assert np.exp(one_block(1, 1, 1, 1, 0.6, 0.8, 0.0)) == pytest.approx(48 / 49)
    assert np.exp(one_block(1, 0, 1, 1, 0.6, 0.8, 0.0)) == pytest.approx(0.4 / 0.3 * 0.8 / 0.7)


@pytest.mark.parametrize(
    "block",
    [
        pytest.param((0, 0, 9, 9, 0.6, 0.8, 0.0), id="incumbent-empty"),
        pytest.param((9, 3, 0, 0, 0.6, 0.8, 0.0), id="challenger-empty"),
        pytest.param((9, 3, 9, 9, 0.8, 0.8, 0.0), id="guess-equal"),
        pytest.param((9, 3, 9, 9, 0.8, 0.76, 0.03), id="guess-worse-than-the-margin"),
    ],
)
def test_no_bet_is_made_where_nothing_can_be_won(block: tuple[float, ...]) -> None:
    assert one_block(*block) == 0.0


def rows_of(*rows: tuple[int, int, int, float, float, float, float]) -> Rows:
    pair, night, cell, *counts = (np.array(column) for column in zip(*rows, strict=True))
    return Rows(pair, night, cell, *(column.astype(float) for column in counts))


def test_the_first_guess_knows_only_the_prior() -> None:
    """(0 + 4)/(0 + 5) = .8 for the incumbent; the hint of .03 on top for "better", none for "not worse"."""
    rows = rows_of((0, 1, 0, 100, 10, 50, 50))
    for m, tb in ((0.0, 0.83), (0.03, 0.80)):
        ta, guess = guesses(rows, np.array([m]))
        assert (ta[0], guess[0]) == (pytest.approx(0.8), pytest.approx(tb))


def test_guesses_by_hand_after_one_night_of_two_cells() -> None:
    """Night 1: cell 0 (40 of 50, 9 of 10), cell 1 (10 of 50, 3 of 10). Night 2, cell 0, hypothesis "not better".

    t̄a = (50 + 4)/(100 + 5); ta = (40 + 5 t̄a)/(50 + 5); v = 50·10/60 in both cells, so d = ((.9 − .8) + (.3 − .2))/2 = .1;
    Nb = 20, w = 20/120; tb = ta + w·.1 + (1 − w)·.03.
    """
    rows = rows_of((0, 1, 0, 50, 40, 10, 9), (0, 1, 1, 50, 10, 10, 3), (0, 2, 0, 50, 0, 10, 10))
    ta, tb = guesses(rows, np.zeros(3))
    mean = 54 / 105
    assert ta[2] == pytest.approx((40 + 5 * mean) / 55)
    assert tb[2] == pytest.approx(ta[2] + 20 / 120 * 0.1 + 100 / 120 * 0.03)


def test_an_incumbent_that_never_fails_is_guessed_so() -> None:
    """500 of 500 and the prior's (500 + 4)/505: (500 + 5 · 504/505)/505, above .9999."""
    ta, tb = guesses(rows_of((0, 1, 0, 500, 500, 10, 10), (0, 2, 0, 500, 0, 10, 0)), np.full(2, 0.03))
    assert ta[1] == pytest.approx((500 + 5 * 504 / 505) / 505)
    assert tb[1] == 0.995


def test_a_guess_never_sees_its_own_night_or_a_later_one() -> None:
    rng = np.random.default_rng(0)
    blocks = [
        (p, n, c, 40, rng.integers(41), 9, rng.integers(10)) for p in range(3) for n in range(5) for c in range(2)
    ]
    before = guesses(rows_of(*blocks), np.zeros(30))
    changed = [(p, n, c, na, sa if n < 3 else 0, nb, sb if n < 3 else nb) for p, n, c, na, sa, nb, sb in blocks]
    after = guesses(rows_of(*changed), np.zeros(30))
    early = np.array([n <= 3 for _, n, *_ in blocks])
    for one, other in zip(before, after, strict=True):
        np.testing.assert_allclose(one[early], other[early], rtol=1e-12)
        assert not np.allclose(one[~early], other[~early], rtol=1e-3)


def test_pairs_do_not_see_each_other() -> None:
    rng = np.random.default_rng(1)
    blocks = [(p, n, 0, 40, rng.integers(41), 9, rng.integers(10)) for p in range(2) for n in range(9)]
    both = night_log_e(rows_of(*blocks), np.zeros(18), np.arange(18), 18)
    alone = night_log_e(rows_of(*blocks[:9]), np.zeros(9), np.arange(9), 9)
    np.testing.assert_array_equal(both[:9], alone)


def test_five_capped_nights_make_a_proof_and_four_do_not() -> None:
    """(K/α)^(1/5) five times is K/α exactly, rounding apart: K = 3, α = .05 → 60."""
    threshold = log_threshold(3, 0.05)
    assert np.exp(threshold) == pytest.approx(60)
    product = capped_product(np.full(5, 100.0), np.full(5, threshold))
    assert reaches(product, threshold).tolist() == [False, False, False, False, True]


def test_a_lost_night_is_not_capped() -> None:
    assert capped_product(np.array([9.0, -9.0]), np.log([20.0, 20.0]))[1] == pytest.approx(np.log(20) / 5 - 9)


def test_a_growing_field_leaves_earlier_nights_as_they_were() -> None:
    nightly = np.full(4, 9.0)
    narrow = capped_product(nightly, log_threshold([1, 1, 1, 1], 0.05))
    wider = capped_product(nightly, log_threshold([1, 1, 4, 4], 0.05))
    np.testing.assert_array_equal(narrow[:2], wider[:2])
    assert wider[3] > narrow[3]


@pytest.mark.parametrize(("na", "nb"), list(itertools.product((1, 3, 8), repeat=2)))
def test_products_over_nights_stay_below_one_on_average(na: int, nb: int) -> None:
    """E[E] ≤ 1 for three nights with learnt guesses, by enumeration over both arms' totals at θ = .5, .8."""
    rng = np.random.default_rng(na * 10 + nb)
    n = 4000
    for theta in (0.5, 0.8):
        sa, sb = rng.binomial(na, theta, (n, 3)), rng.binomial(nb, theta, (n, 3))
        pair, night = (x.ravel() for x in np.indices((n, 3)))
        full = np.ones(3 * n)
        rows = Rows(pair, night, np.zeros_like(pair), na * full, sa.ravel() * full, nb * full, sb.ravel() * full)
        e = np.exp(night_log_e(rows, np.zeros(3 * n), pair * 3 + night, 3 * n).reshape(n, 3).sum(axis=1))
        assert e.mean() <= 1 + 4 * e.std() / np.sqrt(n)
