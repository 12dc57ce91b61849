"""Made-up traffic with a known truth, for tests and benchmarks of the statistics.

`counts` draws whole blocks (fast: a year of hundreds of routes in a second); `items` draws single work items whose
success depends on their size, for everything that happens before blocks exist. Both by seed.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from analytics.columns import BLOCK_COUNTS, BLOCKS, ITEMS, NIGHT_DTYPE, typed
from analytics.stats.blocks import merge
from analytics.stats.shares import share_key

START = dt.date(2026, 1, 1)
INCUMBENT = "a:incumbent"
CHALLENGER = "b:challenger"

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Route:
    """The truth about many like routes, each with one challenger."""

    rate: float = 0.85  # the incumbent's
    lead: float = 0.0  # the challenger's
    cost: tuple[float, float] = (1.0, 1.0)  # mean USD a work item, exponential
    slow: tuple[float, float] = (0.5, 0.5)  # chance to be slower than T50, of the incumbent and the challenger …
    very_slow: tuple[float, float] = (0.05, 0.05)  # … and than T95
    share: float = 0.05
    per_night: int = 500
    day_noise: float = 0.0  # standard deviation of each arm's rate from night to night
    incident: tuple[int, float, int] | None = None  # (night, points lost, arm: 0 or 1); None = no such night
    copies: int = 1  # how often every outcome is counted: 1 is right


def last_night(nights: int) -> dt.date:
    """The date of the last of so many nights."""
    return START + dt.timedelta(days=nights - 1)


def counts(
    route: Route, routes: int, nights: int, seed: int | list[int], *, buckets: int = 4, prefix: str = "r"
) -> pd.DataFrame:
    """The blocks of so many independent routes of this kind, task types r0000, r0001 …"""
    rng = np.random.default_rng(seed)
    shape = routes, nights, buckets
    total = rng.multinomial(route.per_night, [1 / buckets] * buckets, (routes, nights))
    explored = rng.binomial(total, route.share)
    key = share_key({INCUMBENT: 1 - route.share, CHALLENGER: route.share})
    parts = []
    for arm, n in enumerate((total - explored, explored)):
        rate = np.full(shape, route.rate + arm * route.lead)
        rate += route.day_noise * rng.standard_normal((routes, nights, 1))
        if route.incident and route.incident[2] == arm:
            rate[:, route.incident[0]] -= route.incident[1]
        parts.append(_arm(route, arm, n, rng.binomial(n, np.clip(rate, 0, 1)), rng))
    task, night, bucket = (x.ravel() for x in np.indices(shape))
    keys = pd.DataFrame(
        {
            "task_type": np.array([f"{prefix}{i:04d}" for i in range(routes)])[task],
            "night": (np.datetime64(START) + night).astype(NIGHT_DTYPE),
            "definition": 1,
            "simulated": False,
            "bucket": bucket + 1,
            "shares": key,
            "version": "",
        }
    )
    models = (INCUMBENT, CHALLENGER)
    return typed(pd.concat([keys.assign(model=m, **part) for m, part in zip(models, parts, strict=True)]), BLOCKS)


def _arm(
    route: Route, arm: int, n: npt.NDArray[np.int64], successes: npt.NDArray[np.int64], rng: np.random.Generator
) -> dict[str, npt.NDArray[np.generic]]:
    mean = route.cost[arm]
    spent = mean * rng.gamma(np.maximum(n, 1e-9))
    zero = np.zeros_like(n)
    columns = dict.fromkeys(BLOCK_COUNTS, zero) | {
        "opened": n,
        "as_primary": n if arm == 0 else zero,
        "priced": n,
        "cost_sum": spent,
        "cost_sq": 2 * mean * spent,  # the mean square of an exponential cost is twice its squared mean
        "timed": n,
        "slower_p50": rng.binomial(n, route.slow[arm]),
        "slower_p95": rng.binomial(n, route.very_slow[arm]),
        "drawn": n * route.copies,
        "graded": n * route.copies,
        "successes": successes * route.copies,
    }
    return {name: column.ravel() for name, column in columns.items()}


def items(
    nights: int,
    per_night: int,
    seed: int,
    *,
    rate: Callable[[Floats, npt.NDArray[np.bool_]], Floats],
    explored: Callable[[Floats], Floats] = lambda size: np.full(size.shape, 0.05),
) -> pd.DataFrame:
    """Work items of one task type "t": sizes are log-normal with median 1,000.

    `rate(size, is_challenger)` is each item's chance of success, `explored(size)` the probability in force that it went
    to the challenger, logged with it. Costs and speeds are equal; labels arrive at once.
    """
    rng = np.random.default_rng(seed)
    n = nights * per_night
    size = np.round(rng.lognormal(np.log(1000), 1.0, n))
    share = explored(size)
    to_challenger = rng.random(n) < share
    night = (np.datetime64(START) + np.repeat(np.arange(nights), per_night)).astype(NIGHT_DTYPE)
    keys = {s: share_key({INCUMBENT: 1 - s, CHALLENGER: s}) for s in np.unique(share).tolist()}
    frame = {
        "task_type": "t",
        "definition": 1,
        "simulated": False,
        "night": night,
        "closed": night,
        "size": size,
        "shares": [keys[s] for s in share.tolist()],
        "model": np.where(to_challenger, CHALLENGER, INCUMBENT),
        "version": "",
        "role": np.where(to_challenger, "explore", "primary"),
        "propensity": np.where(to_challenger, share, 1 - share),
        "drawn": True,
        "failed": False,
        "success": (rng.random(n) < rate(size, to_challenger)).astype(float),
        "cost_usd": rng.exponential(0.01, n),
        "ttft_ms": np.nan,
        "total_ms": rng.lognormal(np.log(800), 0.5, n),
    }
    return typed(pd.DataFrame(frame), ITEMS)


def late(blocks: pd.DataFrame, nights_late: dict[str, int]) -> pd.DataFrame:
    """The same blocks when good outcomes are labelled so many nights late, by model; a bad one is known at once."""
    delay = pd.to_timedelta(blocks["model"].map(nights_late).fillna(0), unit="D")
    good = blocks.assign(night=blocks["night"] + delay, **dict.fromkeys(BLOCK_COUNTS, 0))
    for name in ("drawn", "graded", "successes"):
        good[name] = blocks["successes"]
    now = blocks.assign(
        drawn=blocks["drawn"] - blocks["successes"], graded=blocks["graded"] - blocks["successes"], successes=0
    )
    return merge([now, typed(good, BLOCKS)])


def unequal(blocks: pd.DataFrame, incumbent: Sequence[float], challenger: Sequence[float], seed: int) -> pd.DataFrame:
    """The same blocks with other rates of success, by size bucket from 1."""
    of = np.where((blocks["model"] == CHALLENGER).to_numpy()[:, None], challenger, incumbent)
    rate = of[np.arange(len(blocks)), blocks["bucket"].to_numpy() - 1]
    return blocks.assign(successes=np.random.default_rng(seed).binomial(blocks["graded"].to_numpy(), rate))
