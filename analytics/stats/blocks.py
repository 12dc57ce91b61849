"""Work items → blocks: the counts a (night, size bucket, share vector, model) that all evidence is computed from.

An item is counted twice, on two clocks: when it opens (cost, latency, who was primary) and when it closes (graded,
successes). Both counts live in the row of their own night.
"""

import datetime as dt
from collections.abc import Mapping
from typing import cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from analytics.columns import BLOCK_COUNTS, BLOCK_KEYS, BLOCKS, EXPLORE, ITEMS, NIGHT_DTYPE, PRIMARY, empty, typed
from analytics.stats.arrays import Ints, sums
from analytics.stats.yardsticks import Served, Yardstick

KEYS = list(BLOCK_KEYS)


def fold(
    items: pd.DataFrame, yardsticks: Mapping[str, Yardstick], first: dt.date, last: dt.date
) -> tuple[pd.DataFrame, dict[str, Yardstick]]:
    """The blocks of the nights first..last, sorted by their keys, and the yardsticks as they stand after them.

    `items` are columns.ITEMS: all that opened or closed in these nights (others are left out); `yardsticks` by task
    type, as they stood before. Nights may be folded one by one or many at once, with the same result.
    """
    items = admitted(typed(items, ITEMS))
    start, end = pd.Timestamp(first), pd.Timestamp(last)
    opened = items[items["night"].between(start, end)]
    measures, after = _measure(opened, yardsticks)
    buckets = pd.Series(_buckets(items, after), index=items.index, dtype="int64")
    opened = opened.assign(bucket=buckets[opened.index])
    closed = items[items["closed"].between(start, end)]
    closed = closed.assign(bucket=buckets[closed.index], night=closed["closed"])
    return merge([_opened_counts(opened, measures), _closed_counts(closed)]), after


def merge(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """The blocks of all parts, rows of equal keys added, sorted by key; counts absent from a part are 0."""
    rows = pd.concat([empty(BLOCKS), *parts]).fillna(dict.fromkeys(BLOCK_COUNTS, 0))
    return typed(rows.groupby(KEYS, as_index=False, sort=True)[list(BLOCK_COUNTS)].sum(), BLOCKS)


def admitted(items: pd.DataFrame) -> pd.DataFrame:
    """The items that may be evidence: first attempt primary or explore, with its probability logged.

    A later step of a route, an override and an observed call were chosen by someone or something that knew more. An
    item that had no alternative (probability 1) keeps a share vector of its own: the guard counts it, no pair does.
    """
    role, propensity = items["role"], items["propensity"]
    is_drawn = (propensity > 0) & (propensity < 1) & (items["shares"] != "")
    items = items[role.isin((PRIMARY, EXPLORE)) & (is_drawn | (propensity == 1))]
    return items.assign(shares=items["shares"].where(items["propensity"] < 1, items["model"] + "=1"))


def _measure(opened: pd.DataFrame, yardsticks: Mapping[str, Yardstick]) -> tuple[pd.DataFrame, dict[str, Yardstick]]:
    """Cost cut and latency thresholds in force, a (task type, night), and the yardsticks after the last night."""
    after = dict(yardsticks)
    rows = []
    for key, tonight in opened.groupby(["task_type", "night"], sort=True):
        task_type, night = cast(tuple[str, pd.Timestamp], key)
        primary = tonight[tonight["role"] == PRIMARY]
        served = _incumbent(primary)
        now = after.get(task_type, Yardstick()).opened(night.date(), served)
        own = primary[_is_served(primary, served)] if served else primary[:0]
        totals = own.loc[~own["failed"], "total_ms"].to_numpy()
        costs = own["cost_usd"].to_numpy()
        rows.append((task_type, night, now.cost_limit(costs), now.t50_ms, now.t95_ms))
        after[task_type] = now.collected(tonight["size"].to_numpy(), totals, costs)
    measures = pd.DataFrame(rows, columns=["task_type", "night", "cut", "t50", "t95"])
    return measures.astype({"task_type": "str", "night": NIGHT_DTYPE, "t50": float, "t95": float}), after


def _incumbent(primary: pd.DataFrame) -> Served | None:
    """Who served most of these primary rows, the first by name in a tie; None without rows."""
    if primary.empty:
        return None
    counts = primary.groupby(["model", "version", "simulated"], sort=True).size()
    model, version, simulated = counts.index[int(counts.to_numpy().argmax())]
    return Served(model, version, bool(simulated))


def _is_served(rows: pd.DataFrame, served: Served) -> "pd.Series[bool]":
    return (
        (rows["model"] == served.model) & (rows["version"] == served.version) & (rows["simulated"] == served.simulated)
    )


def _buckets(items: pd.DataFrame, yardsticks: Mapping[str, Yardstick]) -> Ints:
    """The size bucket of each item, by the edges in force on the night that it opened."""
    buckets = np.zeros(len(items), dtype=np.int64)
    for task_type, positions in items.groupby("task_type", sort=False).indices.items():
        known = yardsticks.get(str(task_type), Yardstick())
        if known.edges_from is not None:
            rows = items.iloc[positions]
            frozen = (rows["night"] >= pd.Timestamp(known.edges_from)).to_numpy()
            bucket = 1 + np.searchsorted(np.array(known.edges), rows["size"].to_numpy(), side="left")
            buckets[positions] = np.where(frozen, bucket, 0)
    return buckets


def _opened_counts(opened: pd.DataFrame, measures: pd.DataFrame) -> pd.DataFrame:
    rows = opened.merge(measures, on=["task_type", "night"], how="left")
    cost, total, ttft = (rows[name].to_numpy(dtype=float) for name in ("cost_usd", "total_ms", "ttft_ms"))
    cut, t50, t95 = (rows[name].to_numpy(dtype=float) for name in ("cut", "t50", "t95"))
    failed = rows["failed"].to_numpy(dtype=bool)
    timed = ~np.isnan(t50) & (failed | ~np.isnan(total))
    kept = np.minimum(cost, cut)
    log_total, log_ttft = (np.log(np.where(failed | ~(x > 0), np.nan, x)) for x in (total, ttft))
    counts = {
        "opened": np.ones(len(rows)),
        "as_primary": rows["role"].to_numpy() == PRIMARY,
        "priced": ~np.isnan(cost),
        "cost_sum": kept,
        "cost_sq": kept**2,
        "cost_cut": cost > cut,
        "timed": timed,
        "slower_p50": timed & (failed | (total > t50)),
        "slower_p95": timed & (failed | (total > t95)),
    }
    for name, logs in (("ttft", log_ttft), ("total", log_total)):
        counts |= {f"{name}_n": ~np.isnan(logs), f"{name}_log_sum": logs, f"{name}_log_sq": logs**2}
    return _summed(rows, counts)


def _closed_counts(closed: pd.DataFrame) -> pd.DataFrame:
    drawn = closed["drawn"].to_numpy(dtype=bool)
    success = np.where(drawn, closed["success"].to_numpy(dtype=float), np.nan)
    return _summed(closed, {"drawn": drawn, "graded": ~np.isnan(success), "successes": success == 1})


def _summed(rows: pd.DataFrame, counts: Mapping[str, npt.NDArray[np.generic]]) -> pd.DataFrame:
    """The sums of each count by block key; NaN adds nothing."""
    groups = rows.groupby(KEYS, sort=True)
    codes = groups.ngroup().to_numpy().astype(np.int64)
    keys = groups.size().reset_index()[KEYS]
    for name, values in counts.items():
        values = np.nan_to_num(values.astype(float))
        # Added in the order of size, not of arrival: the same rows give the same bytes.
        order = np.argsort(values, kind="stable") if BLOCK_COUNTS[name] == "float64" else slice(None)
        keys[name] = sums(codes[order], values[order], len(keys))
    return keys.astype({name: dtype for name, dtype in BLOCKS.items() if name in keys})


def nights_of(blocks: pd.DataFrame) -> Ints:
    """The night of each row as days since 1970."""
    return blocks["night"].astype(NIGHT_DTYPE).to_numpy().astype("datetime64[D]").astype(np.int64)
