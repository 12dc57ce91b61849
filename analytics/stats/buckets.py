"""Samples → log-histograms. Apart from these, which a page reads without numpy."""

import numpy as np
import numpy.typing as npt

from analytics.stats.arrays import Ints
from analytics.stats.histograms import FLOOR, GROWTH, LogHistogram


def bucket_of(x: npt.ArrayLike) -> Ints:
    """The bucket of each value; values ≤ 1e-9 share the lowest."""
    # The tiny step down keeps 1.02^b itself in bucket b although its logarithm rounds up.
    steps = np.log(np.maximum(np.asarray(x, dtype=float), FLOOR)) / np.log(GROWTH)
    buckets: npt.NDArray[np.int64] = np.ceil(steps - 1e-9).astype(np.int64)
    return buckets


def histogram_of(values: npt.ArrayLike) -> LogHistogram:
    """The histogram of a sample; NaN is left out."""
    sample = np.asarray(values, dtype=float)
    buckets, counts = np.unique(bucket_of(sample[~np.isnan(sample)]), return_counts=True)
    return LogHistogram(dict(zip(buckets.tolist(), counts.tolist(), strict=True)))
