"""Intervals against statsmodels, arithmetic and coverage at every look."""

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.proportion import proportion_confint

from analytics.stats.rates import Z95, wilson_interval
from analytics.stats.sequences import SUCCESS_STAR, radius, stratified, two_sided


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (1, 1), (0, 9), (3, 10), (21, 70), (999, 1000), (5000, 9000)])
def test_the_wilson_interval_is_statsmodels(successes: int, n: int) -> None:
    low, high = proportion_confint(successes, n, alpha=0.05, method="wilson")
    assert wilson_interval(successes, n) == (pytest.approx(low, abs=1e-12), pytest.approx(high, abs=1e-12))


def test_nothing_is_known_without_items() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("successes", "n"), [(2, 1), (-1, 3)])
def test_impossible_counts_are_refused(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="successes of"):
        wilson_interval(successes, n)


def test_the_normal_quantile_is_scipys() -> None:
    assert pytest.approx(norm.ppf(0.975), abs=1e-12) == Z95


def test_the_radius_by_hand_where_it_is_tightest() -> None:
    """se = se*: η = 8, √(2 · 9/8 · ln(1 + 3/(2 · .05))) = √(2.25 · ln 31) = 2.7796."""
    assert radius(0.015, 0.015)[()] == pytest.approx(0.015 * np.sqrt(2.25 * np.log(31)))
    assert np.sqrt(2.25 * np.log(31)) == pytest.approx(2.7796, abs=1e-4)


def test_no_spread_leaves_no_doubt() -> None:
    assert radius(0.0, 0.015)[()] == 0.0


def test_the_radius_grows_with_the_standard_error_and_with_certainty() -> None:
    grid = radius(np.linspace(0.001, 0.2, 50), SUCCESS_STAR)
    assert (np.diff(grid) > 0).all()
    assert radius(0.02, 0.015, 0.01)[()] > radius(0.02, 0.015, 0.05)[()]


def test_the_sequence_holds_at_all_looks_together() -> None:
    """2,000 sequences of 400 looks at a mean of 0: ever outside ≤ 5 %, where an interval for one look fails 40 %."""
    rng = np.random.default_rng(0)
    n = np.arange(1, 401) * 25
    means = np.cumsum(rng.standard_normal((2000, 400)) * 5, axis=1) / n
    se = 1 / np.sqrt(n)
    late = n >= 200  # asymptotic: from about 200 items on
    outside = np.abs(means) > radius(se, SUCCESS_STAR, 0.025)
    naive = np.abs(means) > Z95 * se
    assert outside[:, late].any(axis=1).mean() <= 0.05
    assert naive[:, late].any(axis=1).mean() > 0.3


def test_a_two_sided_interval_spends_half_on_each_side() -> None:
    found = two_sided(0.1, 0.02, 0.015)
    half = float(radius(0.02, 0.015, 0.025))
    assert (found.low, found.estimate, found.high) == (pytest.approx(0.1 - half), 0.1, pytest.approx(0.1 + half))


def test_a_stratified_difference_by_hand() -> None:
    """Strata (na, nb, d) = (30, 10, .1) and (10, 10, .4): v = 7.5 and 5, so (7.5 · .1 + 5 · .4)/12.5 = .22."""
    mean, se = stratified(
        np.array([0, 0]),
        2,
        np.array([30.0, 10.0]),
        np.array([10.0, 10.0]),
        np.array([0.1, 0.4]),
        np.array([0.01, 0.04]),
    )
    assert mean[0] == pytest.approx(0.22)
    assert se[0] == pytest.approx(np.sqrt(7.5**2 * 0.01 + 5**2 * 0.04) / 12.5)
    assert np.isnan(mean[1])
    assert np.isnan(se[1])
