"""What the procedure promises over months of nightly looks, at a size that fits the suite.

Full sizes: `python -m benchmarks.evidence`.
"""

import numpy as np
import pytest

from analytics.stats.comparisons import compare
from analytics.stats.rates import wilson_interval
from analytics.stats.results import Kind, TaskSettings
from benchmarks import closed_loop, replay
from benchmarks.worlds import Route, counts, last_night, unequal
from tests.analytics.stats.looking import first_nights, share_ever


@pytest.mark.parametrize(
    ("route", "bar"),
    [
        pytest.param(Route(), 0.05, id="equal"),
        pytest.param(Route(day_noise=0.02), 0.03, id="2-point-day-noise"),
        pytest.param(Route(incident=(60, 0.5, 0)), 0.02, id="incident-day-of-the-incumbent"),
        pytest.param(Route(incident=(60, 0.5, 1)), 0.02, id="incident-day-of-the-challenger"),
        pytest.param(Route(per_night=25, share=0.2), 0.05, id="25-items-a-night"),
    ],
)
def test_identical_models_are_rarely_proposed_in_a_year_of_nightly_looks(route: Route, bar: float) -> None:
    """200 routes, 365 nights each; every kind counts.

    At this size a share is known to ± 2 points: its interval must reach down to the bar. Full size in the benchmark.
    """
    world = counts(route, 200, 365, seed=20, buckets=1)
    found = {kind: first_nights(world, 365, kind) for kind in (Kind.QUALITY, Kind.LATENCY)}
    ever = [a or b for a, b in zip(*found.values(), strict=True)]
    assert share_ever(ever) <= 0.05
    assert wilson_interval(sum(map(bool, ever)), len(ever))[0] <= bar


MIXED = (1.0, 0.8, 1.0, 0.45)  # the incumbent's rate by prompt size
AS_MIXED = (0.86, 0.91, 0.75, 0.61)


@pytest.mark.parametrize(
    ("cost", "challenger"),
    [
        pytest.param(1.0, (1.0, 0.9, 0.7, 0.65), id="no-better-on-the-whole"),
        pytest.param(2.0, (1.0, 0.9, 0.8, 0.67), id="dearer-and-3-points-better-on-the-whole"),
    ],
)
def test_gains_on_some_sizes_that_others_lose_are_rarely_a_proof(cost: float, challenger: tuple[float, ...]) -> None:
    """100 routes, 120 nights; bets placed block by block proved 60 % of the first and 44 % of the second within 200."""
    world = unequal(counts(Route(cost=(1.0, cost)), 100, 120, seed=25), MIXED, challenger, seed=1)
    assert share_ever(first_nights(world, 120)) <= 0.05


def test_losses_on_some_sizes_that_others_make_up_for_do_not_hide_an_equal_model() -> None:
    """Sizes of BFCL's "javascript", 7 points lost and 9 and 8 gained: 1.5 points better, never proved block by block."""
    route = Route(per_night=2000, share=0.033, cost=(1.0, 0.02))
    world = unequal(counts(route, 40, 60, seed=26), AS_MIXED, (0.79, 0.98, 0.75, 0.69), seed=1)
    found = first_nights(world, 60, Kind.COST)
    assert float(np.median([night or 999 for night in found])) <= 25


def test_a_plain_nightly_test_proposes_on_a_fourth_of_identical_routes() -> None:
    """Why all this is needed: the same year, the same data, a z-test at 5 % every night."""
    world = counts(Route(), 120, 365, seed=20, buckets=2).groupby(["task_type", "model", "night"])[
        ["graded", "successes"]
    ]
    a, b = (
        world.sum().xs(model, level="model").to_numpy().reshape(120, 365, 2).cumsum(axis=1)
        for model in ("a:incumbent", "b:challenger")
    )
    rate = (a + b)[..., 1] / (a + b)[..., 0]
    z = (b[..., 1] / b[..., 0] - a[..., 1] / a[..., 0]) / np.sqrt(rate * (1 - rate) * (1 / a[..., 0] + 1 / b[..., 0]))
    assert (z[:, 7:] > 1.645).any(axis=1).mean() > 0.25


@pytest.mark.parametrize(
    ("route", "kind", "median"),
    [
        pytest.param(Route(lead=0.10, rate=0.8), Kind.QUALITY, 10, id="10-points-better"),
        pytest.param(Route(lead=0.05), Kind.QUALITY, 25, id="5-points-better"),
        pytest.param(Route(lead=0.03), Kind.QUALITY, 60, id="3-points-better"),
        pytest.param(Route(), Kind.COST, 65, id="equal-within-the-margin"),
    ],
)
def test_a_real_difference_is_proved_in_time(route: Route, kind: Kind, median: int) -> None:
    """On half of 300 routes within so many nights, one pair, 500 items a night, 5 % explored."""
    assert share_ever(first_nights(counts(route, 300, median, seed=21, buckets=1), median, kind)) >= 0.5


def test_among_many_pairs_few_discoveries_are_false() -> None:
    """72 pairs, 54 of them equal, the others 5 points better; 90 nights of 500 items, 5 % explored."""
    import pandas as pd

    world = pd.concat(
        [counts(Route(), 54, 90, seed=22, prefix="equal"), counts(Route(lead=0.05), 18, 90, seed=23, prefix="better")]
    )
    ever: set[str] = set()
    for night in range(10, 91, 10):
        ever |= {one.task_type for one in compare(world, last_night(night), {}) if one.verdict}
    false = sum(task.startswith("equal") for task in ever)
    assert false <= 0.1 * len(ever)
    assert len(ever) - false >= 0.9 * 18


def test_the_replay_of_real_results_ends_cheaper_and_no_worse() -> None:
    """Four BFCL task types over 35 nights of 2,000 items; full size in the benchmark: twelve, 90 nights, eight seeds."""
    banks = replay.load()
    chosen = {name: banks[name] for name in ("executable_simple", "javascript", "relevance", "rest")}
    outcome = closed_loop.run(chosen, nights=35, per_night=2000, share=0.1, seed=1)
    assert outcome.cost_end <= 0.3 * outcome.cost_start
    assert outcome.success_end >= outcome.success_start
    assert all(change.true_difference >= -0.03 for change in outcome.changes)
    assert 1 <= len(outcome.changes) / len(chosen) <= 1.5


def test_what_was_given_up_once_cannot_be_given_up_again() -> None:
    """Two points worse and far cheaper: within a fresh margin of 6 points, outside the 1 point that is left of it."""
    world = counts(Route(lead=-0.02, cost=(1.0, 0.3), share=0.2), 1, 90, seed=24)
    assert compare(world, last_night(90), {"r0000": TaskSettings(margin=0.06)})[0].verdict is Kind.COST
    assert compare(world, last_night(90), {"r0000": TaskSettings(margin=0.06, given_up=0.05)})[0].verdict is None
