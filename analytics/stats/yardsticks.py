"""What a task type's items are measured against, frozen once so that the measure cannot follow the measured.

Size edges: the quartiles of the first ≥ 1,000 items, in force from the night that begins with them behind it. Latency
thresholds and the cost cut: the median and 95th percentile of the incumbent's total_ms, and 100 × its median cost,
over the first seven nights of its run, new with each run. All from log-histograms: the state of a task type is small
enough to be stored a night, and no raw row is needed again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from analytics.stats.arrays import Floats
from analytics.stats.buckets import histogram_of
from analytics.stats.histograms import LogHistogram

MIN_BEHIND = 1_000  # items before the size edges are frozen
RUN_IN_NIGHTS = 7
CUT = 100  # a cost above so many medians is cut, and counted


@dataclass(frozen=True, slots=True)
class Served:
    """A model as it serves: another version, or its simulation, is another product."""

    model: str
    version: str
    simulated: bool


@dataclass(frozen=True, slots=True)
class Yardstick:
    """The frozen measures of one task type after some night, and what is still being collected for them."""

    edges: tuple[float, ...] = ()  # upper size edges of buckets 1 to 3; () = one bucket, 0
    edges_from: dt.date | None = None
    incumbent: Served | None = None
    nights: int = 0  # of the incumbent's run, at most seven
    t50_ms: float | None = None  # None until the first seven nights are over
    t95_ms: float | None = None
    cut_usd: float | None = None
    sizes: LogHistogram = field(default_factory=LogHistogram)  # emptied when frozen, as are the next two
    totals: LogHistogram = field(default_factory=LogHistogram)
    costs: LogHistogram = field(default_factory=LogHistogram)

    def opened(self, night: dt.date, incumbent: Served | None) -> Yardstick:
        """As in force from the beginning of this night, whose primary rows show this incumbent (None = no such row)."""
        now = self
        if not now.edges and now.sizes.n >= MIN_BEHIND:
            edges = tuple(now.sizes.quantile(q) or 0.0 for q in (0.25, 0.5, 0.75))
            now = replace(now, edges=edges, edges_from=night, sizes=LogHistogram())
        if incumbent is not None and incumbent != now.incumbent:
            empty = LogHistogram()
            now = replace(
                now, incumbent=incumbent, nights=0, t50_ms=None, t95_ms=None, cut_usd=None, totals=empty, costs=empty
            )
        return now._frozen() if now.nights >= RUN_IN_NIGHTS else now

    def _frozen(self) -> Yardstick:
        now = self
        if now.t50_ms is None and now.totals.n:
            t50, t95 = now.totals.quantile(0.5), now.totals.quantile(0.95)
            now = replace(now, t50_ms=t50, t95_ms=t95, totals=LogHistogram())
        if now.cut_usd is None and now.costs.n:
            now = replace(now, cut_usd=CUT * (now.costs.quantile(0.5) or 0.0), costs=LogHistogram())
        return now

    def collected(self, sizes: Floats, totals_ms: Floats, costs_usd: Floats) -> Yardstick:
        """After a night with these sizes of all items and these totals and costs of the incumbent's primary ones."""
        return replace(
            self,
            nights=min(RUN_IN_NIGHTS, self.nights + 1) if totals_ms.size or costs_usd.size else self.nights,
            sizes=self.sizes if self.edges else self.sizes + histogram_of(sizes),
            totals=self.totals if self.t50_ms is not None else self.totals + histogram_of(totals_ms),
            costs=self.costs if self.cut_usd is not None else self.costs + histogram_of(costs_usd),
        )

    def cost_limit(self, costs_usd: Floats) -> float:
        """Above this a cost is cut tonight: the frozen cut, else 100 × the median of the run so far with tonight's."""
        if self.cut_usd is not None:
            return self.cut_usd or np.inf
        median = (self.costs + histogram_of(costs_usd)).quantile(0.5)
        return CUT * median if median else np.inf

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready values; from_dict reads it back."""
        served = self.incumbent
        return {
            "edges": list(self.edges),
            "edges_from": self.edges_from and self.edges_from.isoformat(),
            "incumbent": served and [served.model, served.version, served.simulated],
            "nights": self.nights,
            "t50_ms": self.t50_ms,
            "t95_ms": self.t95_ms,
            "cut_usd": self.cut_usd,
            **{name: _counts_out(getattr(self, name)) for name in ("sizes", "totals", "costs")},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Yardstick:
        """The yardstick that as_dict wrote."""
        since = values["edges_from"]
        return cls(
            edges=tuple(values["edges"]),
            edges_from=dt.date.fromisoformat(since) if since else None,
            incumbent=Served(*values["incumbent"]) if values["incumbent"] else None,
            nights=values["nights"],
            t50_ms=values["t50_ms"],
            t95_ms=values["t95_ms"],
            cut_usd=values["cut_usd"],
            **{name: _counts_in(values[name]) for name in ("sizes", "totals", "costs")},
        )


def _counts_out(histogram: LogHistogram) -> dict[str, int]:
    return {str(bucket): count for bucket, count in sorted(histogram.counts.items())}


def _counts_in(counts: Mapping[str, int]) -> LogHistogram:
    return LogHistogram({int(bucket): count for bucket, count in counts.items()})
