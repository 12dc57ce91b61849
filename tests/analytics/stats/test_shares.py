"""Share vectors as text."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.stats.shares import imported_shares, read_shares, share_key


def test_equal_shares_give_equal_text_whatever_their_order() -> None:
    assert share_key({"b:y": 0.1, "a:x": 0.9}) == share_key({"a:x": 0.9, "b:y": 0.1 + 1e-12}) == "a:x=0.9|b:y=0.1"


@given(st.dictionaries(st.sampled_from(["a:x", "b:y", "c:z=1"]), st.sampled_from([0.0, 0.05, 0.25, 0.9, 1.0])))
def test_reading_gives_the_shares_back(shares: dict[str, float]) -> None:
    assert read_shares(share_key(shares)) == {model: share for model, share in shares.items() if share > 0}


@pytest.mark.parametrize("shares", [{"a:x": 1.1}, {"a:x": -0.1}, {"a|b": 0.5}])
def test_what_is_no_share_vector_is_refused(shares: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"Share|Model name"):
        share_key(shares)


def frame(*rows: tuple[str, str, float]) -> pd.DataFrame:
    role, model, propensity = zip(*rows, strict=True)
    return pd.DataFrame({"task_type": "t", "night": 1, "role": role, "model": model, "propensity": propensity})


def test_imported_rows_join_the_primary_level_nearest_to_what_their_own_leaves() -> None:
    """Levels .9 and .6, two challengers seen: 1 − 2 · .05 = .9 and 1 − 2 · .2 = .6."""
    keys = imported_shares(
        frame(("primary", "a", 0.9), ("primary", "a", 0.6), ("explore", "b", 0.05), ("explore", "c", 0.2))
    )
    assert keys.tolist() == ["imported=0.9", "imported=0.6", "imported=0.9", "imported=0.6"]


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([("primary", "a", 1.0), ("explore", "b", 0.05)], id="no-primary-row-was-drawn-by-chance"),
        pytest.param([("explore", "b", 0.05)], id="no-primary-row"),
        pytest.param([("primary", "a", 0.9), ("fallback", "b", float("nan"))], id="not-drawn-itself"),
    ],
)
def test_imported_rows_without_a_level_are_no_evidence(rows: list[tuple[str, str, float]]) -> None:
    assert imported_shares(frame(*rows)).tolist()[-1] == ""


def test_an_imported_vector_names_no_shares() -> None:
    assert read_shares("imported=0.9") == {}
