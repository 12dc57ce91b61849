"""Calls become work items: one draw, one row, one label."""

import numpy as np
import pandas as pd
import pytest

from analytics.stats.items import from_calls
from tests.analytics.stats.worlds_of_calls import calls

FIRST, SECOND, THIRD, FOURTH = (pd.Timestamp(f"2026-01-0{day}") for day in range(1, 5))


def labelled(label: float, at: str) -> dict[str, object]:
    return {"label": label, "labelled_at": pd.Timestamp(at)}


def item(*rows: dict[str, object], until: pd.Timestamp = FOURTH) -> dict[str, object]:
    (one,) = from_calls(calls(*rows), horizon_days=2, until=until).to_dict("records")
    return one


def test_a_session_is_one_item_that_its_first_call_decides() -> None:
    later = {
        "session": "s",
        "ts": pd.Timestamp("2026-01-01 12:00"),
        "model": "b:y",
        "role": "fallback",
        "total_ms": 9.0,
    }
    one = item(later, {"session": "s", "size": 70.0})
    assert (one["model"], one["role"], one["size"], one["total_ms"]) == ("a:x", "primary", 70.0, 500.0)
    assert one["cost_usd"] == pytest.approx(0.2)


def test_calls_without_a_session_and_sessions_of_other_clients_and_tasks_are_items_of_their_own() -> None:
    rows = [{}, {}, {"session": "s"}, {"session": "s", "client": "d"}, {"session": "s", "task_type": "u"}]
    assert len(from_calls(calls(*rows), 2, FOURTH)) == 5


def test_the_first_label_within_the_horizon_closes_the_item_on_its_night() -> None:
    one = item(
        {"session": "s", **labelled(0.0, "2026-01-03 23:59")}, {"session": "s", **labelled(1.0, "2026-01-02 09:00")}
    )
    assert (one["closed"], one["success"]) == (SECOND, 1.0)


def test_a_label_after_the_horizon_comes_too_late() -> None:
    one = item(labelled(1.0, "2026-01-04 00:00"))
    assert one["closed"] == THIRD
    assert np.isnan(one["success"])
    assert one["drawn"]


def test_an_item_is_open_until_its_label_or_its_horizon() -> None:
    one = item(labelled(1.0, "2026-01-03 10:00"), until=SECOND)
    assert pd.isna(one["closed"])
    assert np.isnan(one["success"])


def test_a_night_uses_nothing_later_than_itself() -> None:
    rows = calls(labelled(1.0, "2026-01-02 10:00"), {"ts": pd.Timestamp("2026-01-03 10:00")})
    assert len(from_calls(rows, 2, SECOND)) == 1


def test_a_fault_of_the_first_attempt_is_a_failure_at_once_whoever_rescued_the_call() -> None:
    one = item({"failed": True, **labelled(1.0, "2026-01-02 10:00")})
    assert (one["closed"], one["success"]) == (FIRST, 0.0)


def test_a_call_that_is_missing_has_no_outcome() -> None:
    one = item({"missing": True, **labelled(1.0, "2026-01-01 10:00")})
    assert not one["drawn"]
    assert np.isnan(one["success"])


def test_a_label_on_an_item_that_was_not_drawn_is_no_outcome() -> None:
    assert np.isnan(item({"drawn": False, **labelled(1.0, "2026-01-01 11:00")})["success"])


def test_an_item_with_an_unpriced_call_is_unpriced() -> None:
    assert np.isnan(item({"session": "s"}, {"session": "s", "cost_usd": np.nan})["cost_usd"])


def test_the_order_of_the_rows_changes_nothing() -> None:
    rows = calls(
        *({"session": f"s{i % 3}", "ts": pd.Timestamp("2026-01-01") + pd.Timedelta(hours=i)} for i in range(9))
    )
    there, back = (from_calls(frame, 2, FOURTH) for frame in (rows, rows[::-1]))
    pd.testing.assert_frame_equal(there, back)
