"""e-BH against its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.stats.discoveries import e_bh


@pytest.mark.parametrize(
    ("e", "found"),
    [
        # n = 4, rate .1: the k-th largest must reach 40/k = 40, 20, 13.3, 10 (arithmetic).
        pytest.param([39.9, 1, 1, 1], [0, 0, 0, 0], id="one-just-too-low"),
        pytest.param([40, 1, 1, 1], [1, 0, 0, 0], id="one-at-its-bar"),
        pytest.param([20, 20, 1, 1], [1, 1, 0, 0], id="two-carry-each-other"),
        pytest.param([10, 10, 10, 10], [1, 1, 1, 1], id="all-together"),
        pytest.param([1, 90, 13.4, 14], [0, 1, 1, 1], id="any-order"),
        pytest.param([0, 0, 0, 0], [0, 0, 0, 0], id="none"),
    ],
)
def test_the_list_by_hand(e: list[float], found: list[int]) -> None:
    with np.errstate(divide="ignore"):
        assert e_bh(np.log(e), 0.1).tolist() == [bool(x) for x in found]


def test_no_comparison_makes_no_discovery() -> None:
    assert e_bh([], 0.1).size == 0


@given(st.lists(st.floats(-5, 15), min_size=1, max_size=40), st.sampled_from([0.05, 0.1, 0.2]))
def test_every_list_satisfies_the_definition(logs: list[float], rate: float) -> None:
    """Each discovery is at least n/(rate · number of discoveries), and no larger list would be."""
    found = e_bh(logs, rate)
    descending = sorted(logs, reverse=True)
    sizes = [k for k in range(1, len(logs) + 1) if descending[k - 1] >= np.log(len(logs) / (rate * k)) - 1e-9]
    ties = sum(log >= descending[max(sizes) - 1] for log in logs) if sizes else 0
    assert found.sum() == ties
