"""What the evidence promises, at full size: every row of the table with its bar and what was measured.

    python -m benchmarks.evidence --out benchmarks/results/evidence.json

Some half an hour on one core, by --workers less on more. All by seed: the same code gives the same numbers.
"""

import argparse
import json
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from analytics.stats import guard
from analytics.stats.blocks import fold
from analytics.stats.comparisons import compare
from analytics.stats.rates import wilson_interval
from analytics.stats.results import FIRES_AT, Kind, TaskSettings
from benchmarks import closed_loop, replay
from benchmarks.looks import Proposal, first_proof, first_proposals, share_proposed
from benchmarks.machine import MACHINE
from benchmarks.worlds import CHALLENGER, INCUMBENT, START, Route, counts, items, last_night, late, unequal

YEAR = 365
ROUTES = 2_000  # so many that a share of 2 % is known to ± 0.6 points
AT_ONCE = 200  # routes; more would only need more memory
SEEDS = range(1, 9)  # of the BFCL replay
NOT_CHEAPER = (Kind.QUALITY, Kind.LATENCY)  # where costs are equal, the others need no look

Row = dict[str, object]
Change = Callable[[pd.DataFrame], pd.DataFrame]


def row(name: str, bar: str, measured: object, holds: bool) -> Row:
    """One line of the result."""
    return {"property": name, "bar": bar, "measured": measured, "holds": bool(holds)}


def identical_models() -> list[Row]:
    """False proposals per route over a year of nightly looks at identical models."""
    cases = {
        "identical models": (Route(), 0.05),
        "… with 2-point day noise": (Route(day_noise=0.02), 0.03),
        "… with one incident day of the incumbent": (Route(incident=(60, 0.5, 0)), 0.02),
        "… with one incident day of the challenger": (Route(incident=(60, 0.5, 1)), 0.02),
        "… with 25 sessions of 20 calls a night": (Route(per_night=25), 0.05),
    }
    rows = [a_year(name, bar, route, 100 + number) for number, (name, (route, bar)) in enumerate(cases.items())]

    def slowly_labelled(blocks: pd.DataFrame) -> pd.DataFrame:
        return late(blocks, {INCUMBENT: 4, CHALLENGER: 2})

    labels = TaskSettings(horizon_days=4)
    return [*rows, a_year("… good labels 4 against 2 nights late", 0.05, Route(), 110, slowly_labelled, labels)]


def a_year(
    name: str,
    bar: float,
    route: Route,
    seed: int,
    change: Change = lambda blocks: blocks,
    task: TaskSettings | None = None,
) -> Row:
    """The share of routes with a proposal in a year of nightly looks, with its interval, against a bar."""
    found: dict[str, Proposal | None] = {}
    for first in range(0, ROUTES, AT_ONCE):
        blocks = change(counts(route, AT_ONCE, YEAR, seed=[seed, first], buckets=2, prefix=f"r{first}-"))
        settings = dict.fromkeys(map(str, blocks["task_type"].unique()), task or TaskSettings())
        found |= first_proposals(blocks, YEAR, settings, NOT_CHEAPER)
    return row(name, f"≤ {bar:.0%} of routes a year", _interval(found), share_proposed(found) <= bar)


def _interval(found: dict[str, Proposal | None]) -> dict[str, float]:
    proposed = sum(proposal is not None for proposal in found.values())
    low, high = wilson_interval(proposed, len(found))
    return {
        "share": round(proposed / len(found), 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "routes": len(found),
    }


def gains_and_losses() -> list[Row]:
    """Better on some sizes and worse on others, by as much: 600 routes over 200 nights that need no better mean."""
    cases = {
        "no better on the whole": (Route(), (1.0, 0.8, 1.0, 0.45), (1.0, 0.9, 0.7, 0.65)),
        "dearer, 3 points better on the whole": (Route(cost=(1.0, 2.0)), (1.0, 0.8, 1.0, 0.45), (1.0, 0.9, 0.8, 0.67)),
        "cheaper, 3 points worse on the whole": (
            Route(cost=(1.0, 0.5)),
            (0.95, 0.85, 0.75, 0.6),
            (0.82, 0.67, 0.82, 0.72),
        ),
    }
    rows = []
    for number, (name, (route, theirs, ours)) in enumerate(cases.items()):
        world = unequal(counts(route, 600, 200, seed=140 + number), theirs, ours, seed=number)
        found = first_proposals(world, 200, kinds=(Kind.QUALITY, Kind.COST))
        share = share_proposed(found)
        rows.append(
            row(f"gains on some sizes, losses on others, {name}", "≤ 5 % of routes", _interval(found), share <= 0.05)
        )
    return rows


def tokenizer() -> list[Row]:
    """Sizes are estimated before routing: how a model counts its tokens changes nothing."""

    def steep(size: np.ndarray, is_challenger: np.ndarray) -> np.ndarray:
        return np.clip(0.95 - 0.25 * np.log(size / 300), 0.05, 0.98)

    routes, nights = 24, 180
    parts = [items(nights, 300, seed, rate=steep).assign(task_type=f"r{seed:04d}") for seed in range(routes)]
    world = pd.concat(parts, ignore_index=True)
    billed = world["size"] * np.where(world["model"] == CHALLENGER, 1.35, 1.0)
    ours, naive = (
        share_proposed(first_proposals(fold(frame, {}, START, last_night(nights))[0], nights, kinds=NOT_CHEAPER))
        for frame in (world, world.assign(size=billed))
    )
    return [
        row("challenger's tokenizer × 1.35", "≤ 5 % of routes", {"ours": ours, "by billed tokens": naive}, ours <= 0.05)
    ]


def naive_test() -> list[Row]:
    """The same year by a z-test at 5 % every night, for comparison."""
    routes = 400
    world = counts(Route(), routes, YEAR, seed=100, buckets=2)
    sums = world.groupby(["model", "task_type", "night"])[["graded", "successes"]].sum()
    a, b = (sums.loc[m].to_numpy().reshape(routes, YEAR, 2).cumsum(axis=1) for m in (INCUMBENT, CHALLENGER))
    rate = (a + b)[..., 1] / (a + b)[..., 0]
    se = np.sqrt(rate * (1 - rate) * (1 / a[..., 0] + 1 / b[..., 0]))
    z = (b[..., 1] / b[..., 0] - a[..., 1] / a[..., 0]) / se
    false = float((z[:, 7:] > 1.645).any(axis=1).mean())
    return [row("a plain nightly test on identical models", "none: the reason for all this", round(false, 4), True)]


def nights_to_a_proposal() -> list[Row]:
    """Median nights, one pair, 500 items a night, 5 % explored; 1,000 routes each."""
    cases = {
        "+10 points": (0.10, Kind.QUALITY, 10, 60),
        "+5 points": (0.05, Kind.QUALITY, 25, 60),
        "+3 points": (0.03, Kind.QUALITY, 60, 90),
        "equal within margin 3": (0.0, Kind.COST, 65, 100),
    }
    rows = []
    for number, (name, (lead, kind, bar, nights)) in enumerate(cases.items()):
        for rate in (0.80, 0.85):
            world = counts(Route(lead=lead, rate=rate, cost=(1.0, 0.5)), 1_000, nights, seed=120 + number)
            found = first_proposals(world, nights, kinds=(kind,)).values()
            median = float(np.median([proposal.night if proposal else YEAR for proposal in found]))
            rows.append(
                row(f"median nights to propose, {name}, base rate {rate:.0%}", f"≤ {bar}", median, median <= bar)
            )
    return rows


def many_pairs() -> list[Row]:
    """72 pairs, 54 of them equal, 18 five points better: real nightly comparisons, 90 nights, six times."""
    false, found, power = 0, 0, []
    for repeat in range(6):
        world = pd.concat(
            [
                counts(Route(), 54, 90, seed=200 + repeat, buckets=2, prefix="equal"),
                counts(Route(lead=0.05), 18, 90, seed=300 + repeat, buckets=2, prefix="better"),
            ]
        )
        ever = {o.task_type for n in range(7, 91) for o in compare(world, last_night(n), {}) if o.verdict}
        false += sum(name.startswith("equal") for name in ever)
        found += len(ever)
        power.append(sum(name.startswith("better") for name in ever) / 18)
    rate, mean = false / max(found, 1), float(np.mean(power))
    return [
        row("72 pairs, 54 null: false discoveries", "≤ 10 %", round(rate, 4), rate <= 0.10),
        row("72 pairs: power at +5 points in 90 nights", "≥ 90 %", round(mean, 4), mean >= 0.90),
    ]


def bfcl() -> list[Row]:
    """The closed loop on real results."""
    banks = replay.load()
    rows = []
    for seed in SEEDS:
        got = closed_loop.run(banks, nights=90, per_night=2000, share=0.10, seed=seed)
        saved = got.cost_end / got.cost_start - 1
        worst = min((change.true_difference for change in got.changes), default=0.0)
        measured = {
            "cost": round(saved, 4),
            "success": round(got.success_end - got.success_start, 4),
            "worst change": round(worst, 4),
            "changes a task": round(len(got.changes) / len(banks), 2),
        }
        holds = saved <= -0.7 and got.success_end >= got.success_start and worst >= -0.03
        holds = holds and len(got.changes) <= 1.5 * len(banks)
        bar = "cost ≤ −70 %, success ≥ start, no change > 3 points worse, ≤ 1.5 changes a task"
        rows.append(row(f"BFCL replay, seed {seed}", bar, measured, holds))
    return rows


def never_proposed() -> list[Row]:
    """Trade-offs that are none, 300 routes over 180 nights."""
    cases = {
        "5 points worse, 80 % cheaper": (Route(lead=-0.05, cost=(1.0, 0.2), share=0.1), Kind.COST),
        "faster but 5 points worse": (
            Route(lead=-0.05, slow=(0.5, 0.2), very_slow=(0.05, 0.01), share=0.1),
            Kind.LATENCY,
        ),
        "faster at p50, slower at p95": (Route(slow=(0.5, 0.3), very_slow=(0.05, 0.1), share=0.1), Kind.LATENCY),
    }
    rows = []
    for number, (name, (route, kind)) in enumerate(cases.items()):
        world = counts(route, 300, 180, seed=400 + number, buckets=2)
        ever = [first_proof(one.trail, kind) is not None for one in compare(world, last_night(180), {})]
        rows.append(row(name, "never", sum(ever), not any(ever)))
    return rows


def guards() -> list[Row]:
    """Nights until a drop of ten points is found, and false alarms of estimated baselines in a year."""
    rows = []
    for per_night, bar in ((500, 6.0), (200, 6.0), (50, float("inf"))):
        found = _fires(per_night, 0.10, 400, 60, seed=500)
        median = float(np.median([night or 999 for night in found]))
        name = f"guard: median nights to find a 10-point drop at {per_night} a night"
        rows.append(row(name, f"≤ {bar:.0f}" if bar < 99 else "shown", median, median <= bar))
    false = float(np.mean([night is not None for night in _fires(100, 0.0, 2000, YEAR, seed=501)]))
    return [*rows, row("guard: false alarms in a year at 100 a night", "≤ 1 %", round(false, 4), false <= 0.01)]


def _fires(per_night: int, drop: float, routes: int, nights: int, seed: int) -> list[int | None]:
    rng = np.random.default_rng(seed)
    first = max(guard.BASELINE_NIGHTS, -(-guard.BASELINE_GRADED // per_night)) * per_night // 4
    found: list[int | None] = []
    for _ in range(routes):
        n = np.full(4, float(first))
        line = guard.Baseline(n, rng.binomial(first, 0.85, 4).astype(float)).line
        graded = rng.multinomial(per_night, [0.25] * 4, nights)
        good = rng.binomial(graded, 0.85 - drop).astype(np.float64)
        path = guard.log_path(guard.night_log_e(graded.astype(np.float64), good, line))
        high = np.flatnonzero(path >= np.log(FIRES_AT) - 1e-9)
        found.append(int(high[0]) + 1 if high.size else None)
    return found


PARTS: tuple[Callable[[], list[Row]], ...] = (
    bfcl, many_pairs, identical_models, gains_and_losses, tokenizer, nights_to_a_proposal, never_proposed, guards, naive_test,
)  # fmt: skip


def measure(number: int) -> tuple[list[Row], float]:
    """One part, and its seconds."""
    started = time.perf_counter()
    return PARTS[number](), time.perf_counter() - started


def main() -> None:
    """Measure everything, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/evidence.json"))
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    with ProcessPoolExecutor(given.workers) as pool:
        parts = list(pool.map(measure, range(len(PARTS))))
    rows = [one for found, _ in parts for one in found]
    seconds = {part.__name__: round(took, 1) for part, (_, took) in zip(PARTS, parts, strict=True)}
    for one in rows:
        print(f"{'holds' if one['holds'] else 'FAILS'}  {one['property']}: {one['measured']} (bar: {one['bar']})")
    given.out.parent.mkdir(parents=True, exist_ok=True)
    document = {"machine": MACHINE, "seconds": seconds, "results": rows}
    given.out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
