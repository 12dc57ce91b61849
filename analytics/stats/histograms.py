"""A log-histogram: counts by bucket = ceil(ln x / ln 1.02), so that quantiles survive when raw rows are gone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

GROWTH = 1.02  # bucket b holds (1.02^(b−1), 1.02^b]: a quantile is off by 1 % at most
FLOOR = 1e-9  # zero and below count as this


@dataclass(frozen=True, slots=True)
class LogHistogram:
    """Counts by bucket. Adding two gives the histogram of both samples, in any order."""

    counts: Mapping[int, int] = field(default_factory=dict)

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
        rank = max(1, math.ceil(q * self.n - 1e-9))
        reached = 0
        for bucket in sorted(self.counts):
            reached += self.counts[bucket]
            if reached >= rank:
                break
        return float(GROWTH ** (bucket - 0.5))
