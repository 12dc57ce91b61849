"""Calls → work items: the unit of evidence is what was drawn once, not what was called often."""

import pandas as pd

from analytics.columns import CALLS, ITEMS, NIGHT_DTYPE, typed


def from_calls(calls: pd.DataFrame, horizon_days: int, until: pd.Timestamp) -> pd.DataFrame:
    """One row a (client, task type, session), in the order of their first calls; ITEMS columns.

    `calls` are columns.CALLS of one task type or of several with the same label horizon; `until` is the last night
    that may be known (nothing after it is used). Role, model, size, shares, the fault and the speed are the first
    call's: the arm was drawn there. The item's cost is that of all its calls. Its label is the first to arrive within
    `horizon_days` of the first call's night; without one it closes unlabelled when the horizon ends. A first attempt
    that was the provider's fault is a failure, closed at once, whoever rescued the call.
    """
    calls = typed(calls, CALLS).sort_values(["ts", "request_id"], kind="stable")
    calls = calls[_night(calls["ts"]) <= until]
    item = _item_numbers(calls)
    first = calls[~item.duplicated()].copy()
    first.index = pd.Index(item[first.index])
    night = _night(first["ts"])
    # A label that has not arrived by the end of that night is not known in it.
    known = calls[calls["label"].notna() & (_night(calls["labelled_at"]) <= until)]
    label, labelled = _first_labels(known, item, night, horizon_days)
    success = label.where(~first["failed"], 0.0).where(first["drawn"] & ~first["missing"])
    ends = night + pd.Timedelta(days=horizon_days)
    closed = labelled.fillna(ends).where(~first["failed"], night)
    is_open = closed > until
    items = first.assign(
        night=night,
        closed=closed.mask(is_open),
        drawn=first["drawn"] & ~first["missing"],
        success=success.mask(is_open),
        cost_usd=_cost(calls["cost_usd"], item),
    )
    return typed(items.reset_index(drop=True), ITEMS)


def _night(ts: "pd.Series[pd.Timestamp]") -> "pd.Series[pd.Timestamp]":
    return ts.dt.floor("D").astype(NIGHT_DTYPE)


def _item_numbers(calls: pd.DataFrame) -> "pd.Series[int]":
    """The number of each call's work item, counted by first call; a call without a session is alone."""
    session = calls["session"].where(calls["session"] != "", "\0" + calls["request_id"])
    keys = pd.MultiIndex.from_arrays([calls["client"], calls["task_type"], session])
    return pd.Series(pd.factorize(keys)[0], index=calls.index)


def _cost(cost: "pd.Series[float]", item: "pd.Series[int]") -> "pd.Series[float]":
    """The cost of all calls of an item; NaN when one of them is unpriced: half a bill is not a bill."""
    return cost.groupby(item).sum().mask(cost.isna().groupby(item).any())


def _first_labels(
    known: pd.DataFrame, item: "pd.Series[int]", night: "pd.Series[pd.Timestamp]", horizon_days: int
) -> tuple["pd.Series[float]", "pd.Series[pd.Timestamp]"]:
    """Label and closing night by item number, NaN and NaT where none arrived within the horizon."""
    known = known.assign(item=item[known.index]).sort_values(["labelled_at", "ts", "request_id"], kind="stable")
    known = known.drop_duplicates("item").set_index("item").reindex(night.index)
    labelled = _night(known["labelled_at"]).clip(lower=night)
    in_time = labelled <= night + pd.Timedelta(days=horizon_days)
    return known["label"].where(in_time), labelled.where(in_time)
