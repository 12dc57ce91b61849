"""Work items become blocks: counts on two clocks, against measures that are frozen once."""

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest

from analytics.columns import BLOCK_KEYS
from analytics.stats.blocks import fold, merge
from analytics.stats.yardsticks import Yardstick
from benchmarks import worlds
from tests.analytics.stats.worlds_of_calls import items

FIRST, SECOND = dt.date(2026, 1, 1), dt.date(2026, 1, 2)


def test_cost_enters_when_an_item_opens_and_success_when_it_closes() -> None:
    blocks, _ = fold(items({"closed": pd.Timestamp(SECOND)}), {}, FIRST, SECOND)
    assert blocks[["opened", "priced", "graded", "successes"]].to_numpy().tolist() == [[1, 1, 0, 0], [0, 0, 1, 1]]
    assert blocks["night"].dt.date.tolist() == [FIRST, SECOND]


def test_an_open_item_is_not_graded() -> None:
    blocks, _ = fold(items({"closed": pd.NaT, "success": np.nan}), {}, FIRST, SECOND)
    assert (blocks["opened"].sum(), blocks["drawn"].sum()) == (1, 0)


@pytest.mark.parametrize("role", ["fallback", "override", "observed", "shadow", "second_opinion"])
def test_only_what_chance_chose_enters(role: str) -> None:
    assert fold(items({"role": role}), {}, FIRST, FIRST)[0].empty


def test_an_item_without_an_alternative_stands_in_a_block_of_its_own() -> None:
    blocks, _ = fold(items({"propensity": 1.0}, {}), {}, FIRST, FIRST)
    assert blocks["shares"].tolist() == ["a:x=0.9|b:y=0.1", "a:x=1"]


@pytest.mark.parametrize("propensity", [0.0, np.nan, 1.2, -0.1])
def test_an_impossible_probability_is_no_evidence(propensity: float) -> None:
    assert fold(items({"propensity": propensity}), {}, FIRST, FIRST)[0].empty


def test_a_failed_call_is_slower_than_every_threshold() -> None:
    known = {"t": Yardstick(incumbent=None, t50_ms=400.0, t95_ms=900.0, nights=7)}
    known["t"] = known["t"].opened(FIRST, None)
    rows = items(
        {"role": "explore", "propensity": 0.1, "total_ms": 300.0},
        {"role": "explore", "propensity": 0.1, "total_ms": 500.0},
        {"role": "explore", "propensity": 0.1, "total_ms": np.nan, "failed": True, "success": 0.0},
        {"role": "explore", "propensity": 0.1, "total_ms": np.nan},
    )
    blocks, _ = fold(rows, known, FIRST, FIRST)
    assert blocks[["opened", "timed", "slower_p50", "slower_p95"]].to_numpy().tolist() == [[4, 3, 2, 1]]


def test_size_edges_are_the_quartiles_of_the_first_thousand_items_and_then_stay() -> None:
    world = worlds.items(6, 500, seed=1, rate=lambda size, _: np.full(size.shape, 0.9))
    third, sixth = worlds.last_night(3), worlds.last_night(6)
    blocks, yardsticks = fold(world, {}, worlds.START, third)
    behind = world[world["night"] < pd.Timestamp(third)]["size"]
    assert yardsticks["t"].edges == pytest.approx(behind.quantile([0.25, 0.5, 0.75]).tolist(), rel=0.03)
    assert yardsticks["t"].edges_from == third
    assert set(blocks[blocks["night"] < pd.Timestamp(third)]["bucket"]) == {0}
    assert set(blocks[blocks["night"] == pd.Timestamp(third)]["bucket"]) == {1, 2, 3, 4}
    bigger = world.assign(size=world["size"] * 50)
    assert fold(bigger, yardsticks, third, sixth)[1]["t"].edges == yardsticks["t"].edges


def test_latency_thresholds_are_the_incumbents_first_seven_nights_and_new_with_each_incumbent() -> None:
    world = worlds.items(9, 300, seed=2, rate=lambda size, _: np.full(size.shape, 0.9))
    blocks, yardsticks = fold(world, {}, worlds.START, worlds.last_night(9))
    own = world[(world["role"] == "primary") & (world["night"] < pd.Timestamp(worlds.last_night(8)))]["total_ms"]
    assert yardsticks["t"].t50_ms == pytest.approx(own.quantile(0.5), rel=0.02)
    assert yardsticks["t"].t95_ms == pytest.approx(own.quantile(0.95), rel=0.03)
    timed = blocks.groupby("night")["timed"].sum()
    assert timed.tolist() == [0] * 7 + [300, 300]
    swapped = world.assign(night=world["night"] + pd.Timedelta(days=9), closed=world["closed"] + pd.Timedelta(days=9))
    swapped = swapped.assign(model=swapped["model"].map({worlds.INCUMBENT: "c:new", worlds.CHALLENGER: "b:challenger"}))
    after = fold(swapped, yardsticks, worlds.last_night(10), worlds.last_night(10))[1]["t"]
    assert (after.t50_ms, after.nights, after.edges) == (None, 1, yardsticks["t"].edges)


def test_nights_may_be_folded_one_by_one_in_any_order_of_rows_and_stored_between() -> None:
    world = worlds.items(9, 200, seed=3, rate=lambda size, _: np.full(size.shape, 0.9))
    world["closed"] = world["night"] + pd.to_timedelta(np.arange(len(world)) % 3, unit="D").astype("timedelta64[s]")
    at_once, _ = fold(world, {}, worlds.START, worlds.last_night(9))
    yardsticks: dict[str, Yardstick] = {}
    parts = []
    for number in range(1, 10):
        night = worlds.last_night(number)
        part, yardsticks = fold(world.sample(frac=1, random_state=number), yardsticks, night, night)
        stored = {task: json.dumps(one.as_dict()) for task, one in yardsticks.items()}
        yardsticks = {task: Yardstick.from_dict(json.loads(text)) for task, text in stored.items()}
        parts.append(part)
    pd.testing.assert_frame_equal(merge(parts), at_once, check_exact=True, check_column_type=False)
    assert not at_once.duplicated(list(BLOCK_KEYS)).any()


def test_merging_adds_rows_of_equal_keys() -> None:
    blocks, _ = fold(items({}, {"success": 0.0}), {}, FIRST, FIRST)
    both = merge([blocks, blocks])
    assert both[["opened", "graded", "successes"]].to_numpy().tolist() == [[4, 4, 2]]


def test_nothing_folds_to_nothing() -> None:
    blocks, yardsticks = fold(items({})[:0], {}, FIRST, SECOND)
    assert blocks.empty
    assert yardsticks == {}
