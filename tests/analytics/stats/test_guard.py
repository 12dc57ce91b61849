"""The guard: the line by hand, false alarms and drops at their bars."""

import numpy as np
import pytest

from analytics.stats.guard import FIRES_AT, Baseline, baseline_of, log_path, night_log_e, watch
from benchmarks.worlds import INCUMBENT, Route, counts, last_night


def own(route: Route, nights: int, seed: int = 50) -> object:
    world = counts(route, 1, nights, seed=seed)
    return world[world["model"] == INCUMBENT]


def test_the_line_by_hand() -> None:
    """800 of 1,000: se = √(.8 · .2/1000) = .012649; the line .8 − .012649 − .02 in a bucket at .8."""
    baseline = Baseline(np.array([0.0, 500, 500, 0, 0]), np.array([0.0, 400, 400, 0, 0]))
    assert baseline.line == pytest.approx(np.full(5, 0.8 - np.sqrt(0.16 / 1000) - 0.02))


def test_one_night_by_hand() -> None:
    """7 of 10 at t0 = .8, t1 = .75: 7 ln(.75/.8) + 3 ln(.25/.2) = .21765."""
    line = np.array([0.8])
    assert night_log_e(np.array([10.0]), np.array([7.0]), line) == pytest.approx(7 * np.log(0.9375) + 3 * np.log(1.25))


def test_the_path_is_shiryaev_and_roberts() -> None:
    """M ← (M + 1)·e with e = 2, 3, ½: 2, 9, 5."""
    assert np.exp(log_path(np.log([2.0, 3.0, 0.5]))) == pytest.approx([2, 9, 5])


def test_no_night_alone_fires() -> None:
    assert log_path(np.full(3, 99.0))[-1] < np.log(FIRES_AT)


def test_the_baseline_is_seven_nights_and_a_thousand_items() -> None:
    busy = baseline_of(own(Route(per_night=500), 20))
    quiet = baseline_of(own(Route(per_night=50), 60))
    assert busy is not None
    assert quiet is not None
    assert busy[1]["night"].min().date() == last_night(8)
    assert 1000 <= quiet[0].n.sum() < 1060
    assert baseline_of(own(Route(per_night=50), 15)) is None


def test_a_drop_of_ten_points_is_found_within_six_nights_and_steadiness_is_not() -> None:
    found = baseline_of(own(Route(per_night=500), 100))
    assert found is not None
    baseline, after = found
    assert watch(after, baseline).fired_on is None
    dropped = watch(own(Route(rate=0.75, per_night=500), 10, seed=51), baseline)
    assert dropped.fired_on is not None
    assert dropped.fired_on <= last_night(6)


def test_estimated_baselines_rarely_fire_in_a_year() -> None:
    """400 models at 100 graded items a night, nothing changed: ≤ 1 %."""
    rng = np.random.default_rng(52)
    fired = 0
    for _ in range(400):
        line = Baseline(np.full(4, 250.0), rng.binomial(250, 0.85, 4).astype(float)).line
        n = rng.multinomial(100, [0.25] * 4, 365)
        fired += log_path(night_log_e(n.astype(float), rng.binomial(n, 0.85).astype(float), line)).max() >= np.log(7300)
    assert fired <= 4
