"""A log-histogram: counts by bucket = ceil(ln x / ln 1.02), so that quantiles survive when raw rows are gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from analytics.stats.arrays import Ints

GROWTH = 1.02  # bucket b holds (1.02^(b−1), 1.02^b]: a quantile is off by 1 % at most
FLOOR = 1e-9  # zero and below count as this


def bucket_of(x: npt.ArrayLike) -> Ints:
    """The bucket of each value; values ≤ 1e-9 share the lowest."""
    # The tiny step down keeps 1.02^b itself in bucket b although its logarithm rounds up.
    steps = np.log(np.maximum(np.asarray(x, dtype=float), FLOOR)) / np.log(GROWTH)
    buckets: npt.NDArray[np.int64] = np.ceil(steps - 1e-9).astype(np.int64)
    return buckets


@dataclass(frozen=True, slots=True)
class LogHistogram:
    """Counts by bucket. Adding two gives the histogram of both samples, in any order."""

    counts: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, values: npt.ArrayLike) -> LogHistogram:
        """The histogram of a sample; NaN is left out."""
        sample = np.asarray(values, dtype=float)
        buckets, counts = np.unique(bucket_of(sample[~np.isnan(sample)]), return_counts=True)
        return cls(dict(zip(buckets.tolist(), counts.tolist(), strict=True)))

    @classmethod
    def merged(cls, parts: Iterable[LogHistogram]) -> LogHistogram:
        """The histogram of all the parts' samples together."""
        total: dict[int, int] = {}
        for part in parts:
            for bucket, count in part.counts.items():
                total[bucket] = total.get(bucket, 0) + count
        return cls(dict(sorted(total.items())))

    def __add__(self, other: LogHistogram) -> LogHistogram:
        return LogHistogram.merged((self, other))

    @property
    def n(self) -> int:
        """Values counted."""
        return sum(self.counts.values())

    def quantile(self, q: float) -> float | None:
        """The value below or at which a share q of the sample lies, within 1 %; None when empty.

        Nearest rank (the ⌈q·n⌉-th smallest), reported at the geometric middle of its bucket.
        Raises ValueError for q outside [0, 1].
        """
        if not 0 <= q <= 1:
            raise ValueError(f"{q!r} is not a share between 0 and 1")
        if not self.counts:
            return None
        buckets = sorted(self.counts)
        ranks = np.cumsum([self.counts[bucket] for bucket in buckets])
        rank = max(1, int(np.ceil(q * ranks[-1] - 1e-9)))
        return float(GROWTH ** (buckets[int(np.searchsorted(ranks, rank))] - 0.5))
