"""The guard: does a model on its route still do what it did when it came? One sample against its own baseline.

Every night multiplies a Shiryaev–Roberts statistic, M ← (M + 1)·e, where e is the likelihood ratio of "five points under
the line" against "at the line", by size bucket. The line lies under the baseline by its own standard error and two points,
so that an estimated baseline does not fire. Fires at 7,300: for a known baseline the mean time to a false alarm is at
least 7,300 nights, so at most 365 / 7,300 = 5 % of guards fire falsely in a year.
"""

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analytics.stats.arrays import Floats, Ints, sums
from analytics.stats.blocks import nights_of
from analytics.stats.results import FIRES_AT

BASELINE_NIGHTS = 7
BASELINE_GRADED = 1_000
SLACK = 0.02
DROP = 0.05
NIGHTS_TO_AGREE = 4  # a night counts at most as the fourth root of an alarm
LOWEST = 0.005
N_BUCKETS = 5
FEW = 50  # a bucket with fewer baseline items is held against the baseline of all


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a model did when it came to its route."""

    n: Floats  # graded items by size bucket
    successes: Floats

    @property
    def rate(self) -> float:
        """Over all buckets."""
        return float(self.successes.sum() / self.n.sum())

    @property
    def line(self) -> Floats:
        """t0 by bucket: the baseline less one standard error of the pooled baseline, less two points."""
        pooled = self.rate
        se = np.sqrt(pooled * (1 - pooled) / self.n.sum())
        by_bucket = np.where(self.n >= FEW, self.successes / np.maximum(self.n, 1), pooled)
        line: Floats = np.clip(by_bucket - se - SLACK, LOWEST + DROP, 1 - LOWEST)
        return line


@dataclass(frozen=True, slots=True)
class WatchPoint:
    """The guard after one night."""

    night: dt.date
    n: int  # graded that night
    successes: int
    log_m: float  # ln M; the boundary is ln 7,300


@dataclass(frozen=True, slots=True)
class Watch:
    """A guard's record over the nights since its baseline."""

    baseline_n: int
    baseline_rate: float
    fired_on: dt.date | None  # the first night with M ≥ 7,300
    points: tuple[WatchPoint, ...]


def night_log_e(n: Floats, successes: Floats, line: Floats) -> Floats:
    """ln e of "five points under the line" against "at the line", summed over the last axis (buckets)."""
    low = line - DROP
    each = successes * np.log(low / line) + (n - successes) * np.log((1 - low) / (1 - line))
    total: Floats = each.sum(axis=-1)
    return total


def log_path(nightly: Floats) -> Floats:
    """ln M after each night of M ← (M + 1)·e from M = 0, each night capped; nights along the last axis."""
    capped = np.minimum(nightly, np.log(FIRES_AT) / NIGHTS_TO_AGREE)
    path: Floats = np.empty_like(capped)
    log_m: Floats = np.full(capped.shape[:-1], -np.inf)
    for night in range(capped.shape[-1]):
        log_m = np.asarray(np.logaddexp(log_m, 0.0) + capped[..., night], dtype=float)
        path[..., night] = log_m
    return path


def baseline_of(blocks: pd.DataFrame) -> tuple[Baseline, pd.DataFrame] | None:
    """The baseline from a model's first nights on its route, and the blocks of the nights after it.

    `blocks` are the model's own rows of one task type and run: the first seven nights with graded items, then whole
    nights until 1,000 are graded. None while there are fewer.
    """
    night = nights_of(blocks)
    graded = blocks["graded"].to_numpy(dtype=float)
    nights, number = np.unique(night[graded > 0], return_inverse=True)
    behind = np.cumsum(sums(number.astype(np.int64), graded[graded > 0], nights.size))
    enough = np.flatnonzero((behind >= BASELINE_GRADED) & (np.arange(nights.size) >= BASELINE_NIGHTS - 1))
    if not enough.size:
        return None
    last = nights[enough[0]]
    return counted(blocks[night <= last]), blocks[night > last]


def counted(blocks: pd.DataFrame) -> Baseline:
    """These blocks as a baseline: after an approval, the challenger's own record."""
    n, successes = _by_bucket(blocks, np.zeros(len(blocks), dtype=np.int64), 1)
    return Baseline(n[0], successes[0])


def watch(blocks: pd.DataFrame, baseline: Baseline) -> Watch:
    """The guard over these nights of the model's own blocks."""
    nights, number = np.unique(nights_of(blocks), return_inverse=True)
    n, successes = _by_bucket(blocks, number.astype(np.int64), nights.size)
    path = log_path(night_log_e(n, successes, baseline.line))
    points = tuple(
        WatchPoint(dt.date(1970, 1, 1) + dt.timedelta(days=int(night)), int(a), int(b), float(m))
        for night, a, b, m in zip(nights, n.sum(axis=1), successes.sum(axis=1), path, strict=True)
    )
    fired = next((point.night for point in points if point.log_m >= np.log(FIRES_AT) - 1e-9), None)
    return Watch(int(baseline.n.sum()), baseline.rate, fired, points)


def _by_bucket(blocks: pd.DataFrame, night: Ints, n_nights: int) -> tuple[Floats, Floats]:
    group = night * N_BUCKETS + blocks["bucket"].to_numpy(dtype=np.int64)
    n, successes = (
        sums(group, blocks[name].to_numpy(dtype=float), n_nights * N_BUCKETS).reshape(n_nights, N_BUCKETS)
        for name in ("graded", "successes")
    )
    return n, successes
