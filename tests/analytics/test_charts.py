"""Figures as data: Plotly accepts each, and what a reader takes from one stands in its table too."""

import datetime as dt
import itertools
import math
from typing import Any

import plotly.graph_objects as go
import pytest

from analytics.charts import models, nights, spend
from analytics.charts.plot import LABEL_PX, PLOT_PX, Plot, e_value, end_labels, share_axis

DAY = dt.date(2026, 11, 16)
TRAIL: list[dict[str, Any]] = [
    {"night": "2026-11-16", "n_incumbent": 40, "n_challenger": 9, "log_better": -1.0, "log_not_worse": 0.5, "log_faster": 2.0,
     "log_not_slower": 1.5, "log_threshold": math.log(20)},
    {"night": "2026-11-17", "n_incumbent": 80, "n_challenger": 18, "log_better": -900.0, "log_not_worse": 700.0, "log_faster": 4.0,
     "log_not_slower": 1.0, "log_threshold": math.log(40)},
]  # fmt: skip
WATCH = [
    {"night": "2026-11-16", "n": 50, "successes": 45, "log_m": 0.7},
    {"night": "2026-11-17", "n": 0, "successes": 0, "log_m": None},
]
POINT = models.Point(DAY, 0.9, 0.85, 0.94, 120)
CHEAP = models.Standing("google:flash", 0.9, 0.86, 0.93, 300, 0.0004, 0.00035, 0.00045)
DEAR = models.Standing("anthropic:opus", 0.95, 0.9, 0.98, 120, 0.09, None, None)


@pytest.mark.parametrize(
    "plot",
    [
        nights.over_nights([], "quality"),
        nights.over_nights(TRAIL, "latency"),
        nights.guard_over_nights([], 8.9),
        nights.guard_over_nights(WATCH, 8.9),
        models.success_over_time({}),
        models.success_over_time({"a:b": [POINT], "c:d": [POINT], "e:f": []}),
        models.success_against_cost([]),
        models.success_against_cost([CHEAP]),
        models.success_against_cost([CHEAP, DEAR]),
        spend.by_day({}),
        spend.by_day({(DAY, f"a:{number}"): float(number) for number in range(12)}),
    ],
)
def test_plotly_accepts_the_figure_and_its_table_is_whole(plot: Plot) -> None:
    go.Figure(plot.figure)  # raises on a property or value that Plotly does not know
    assert {len(row) for row in plot.rows} <= {len(plot.columns)}


@pytest.mark.parametrize(("kind", "log"), [("quality", -1.0), ("cost", 0.5), ("latency", 0.5)])
def test_a_kind_shows_the_evidence_of_its_own_claim(kind: str, log: float) -> None:
    assert nights.log_of(TRAIL[0], kind) == log


def test_evidence_beyond_the_scale_is_drawn_at_its_edge_and_told_in_full() -> None:
    plot = nights.over_nights(TRAIL, "cost")
    assert plot.figure["data"][1]["y"][-1] == nights.MOST
    assert plot.rows[0] == ["2026-11-17", "80", "18", "10³⁰⁴", "40"]  # 700 / ln 10 = 304.006


def test_a_night_without_graded_items_has_no_rate() -> None:
    assert nights.guard_over_nights(WATCH, 8.9).rows[0] == ["2026-11-17", "0", "–", "1.0"]


@pytest.mark.parametrize(
    ("log_e", "told"),
    [(0.0, "1.0"), (math.log(60), "60"), (math.log(1234), "1,234"), (math.log(3.2e7), "10⁸"), (-1.0, "0.37"), (-9.0, "under 0.001")],
)  # fmt: skip
def test_an_e_value_is_written_as_people_do(log_e: float, told: str) -> None:
    assert e_value(log_e) == told


def test_labels_of_lines_that_end_together_are_moved_apart() -> None:
    labels = end_labels({"a": (1, 0.5, "red"), "b": (1, 0.5, "red"), "c": (1, 0.51, "red")}, 0.0, 1.0)
    places = sorted(label["y"] * PLOT_PX + label["yshift"] for label in labels)
    assert all(after - before >= LABEL_PX - 0.1 for before, after in itertools.pairwise(places))


def test_costs_that_lie_far_apart_stand_on_a_log_scale() -> None:
    assert models.success_against_cost([CHEAP, DEAR]).figure["layout"]["xaxis"]["type"] == "log"
    assert "type" not in models.success_against_cost([CHEAP]).figure["layout"]["xaxis"]


def test_the_cheapest_models_of_many_are_drawn_together_and_nothing_is_lost() -> None:
    plot = spend.by_day({(DAY, f"a:{number}"): float(number) for number in range(12)})
    assert [bar["name"] for bar in plot.figure["data"]][-1] == "others"
    assert sum(sum(bar["y"]) for bar in plot.figure["data"]) == sum(range(12))
    assert plot.rows[0][-1] == "$66.00"


@pytest.mark.parametrize(
    ("low", "first", "last"),
    [(0.83, "85", "100"), (0.5, "50", "100"), (0.0, "0", "100"), (-0.02, "0", "100")],
)
def test_an_axis_of_shares_is_written_in_per_cent_as_everywhere(low: float, first: str, last: str) -> None:
    axis = share_axis(low)
    assert (axis["ticktext"][-1], axis["ticktext"][0]) == (f"{first}\N{NO-BREAK SPACE}%", f"{last}\N{NO-BREAK SPACE}%")
    assert all(tick >= low for tick in axis["tickvals"])
