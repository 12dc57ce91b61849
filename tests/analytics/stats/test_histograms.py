"""The log-histogram against numpy's quantiles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.stats.buckets import bucket_of, histogram_of
from analytics.stats.histograms import LogHistogram

samples = st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=60)


@given(samples, st.sampled_from([0.0, 0.25, 0.5, 0.95, 1.0]))
def test_a_quantile_is_within_one_percent(sample: list[float], q: float) -> None:
    exact = np.quantile(sample, q, method="inverted_cdf")
    assert histogram_of(sample).quantile(q) == pytest.approx(exact, rel=0.0101)


@given(samples, samples)
def test_merging_is_counting_together(one: list[float], other: list[float]) -> None:
    merged = histogram_of(one) + histogram_of(other)
    assert merged == histogram_of(one + other) == histogram_of(other) + histogram_of(one)


def test_buckets_by_hand() -> None:
    """ceil(ln x / ln 1.02): 1 → 0, 1.02 → 1, 1.0201 → 2, 2 → 36 (35.0027…)."""
    assert bucket_of([1.0, 1.02, 1.0201, 2.0]).tolist() == [0, 1, 2, 36]


def test_nothing_counted_has_no_quantile() -> None:
    assert LogHistogram().quantile(0.5) is None
    assert histogram_of([np.nan]).n == 0


def test_zero_and_below_share_the_lowest_bucket() -> None:
    assert len(histogram_of([0.0, -3.0]).counts) == 1


def test_a_quantile_outside_zero_to_one_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        histogram_of([1.0]).quantile(1.5)
