"""BFCL replayed: what routing would have seen, had these 1,700 tasks kept arriving.

The set has every task answered by every model, so any draw can be replayed with its real outcome. Each night and task
type draws tasks with replacement, then the arm: the primary with probability 1 − share, else one of the K challengers
with share / K each. The row is that model's own result on that task: success, tokens, latency and cost as recorded.
`size` is the token count of one reference tokenizer, the same whoever answers. All by seed: the same arguments give
the same rows.

    python -m benchmarks.replay --nights 90 --per-night 200 --out bfcl.csv       # a file for `calls import`
"""

import argparse
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from analytics.columns import ITEMS, typed
from analytics.stats.shares import share_key

DATA = Path(__file__).parent / "data" / "bfcl_percall.csv.gz"
START = dt.date(2026, 6, 1)
PRIMARY = "openai:gpt-4-1106-preview"
CHALLENGERS = (
    "anthropic:claude-3-5-sonnet-20240620",
    "openai:gpt-4o-mini-2024-07-18",
    "google:gemini-1.5-flash-preview-0514",
)
IMPORT_COLUMNS = [
    "ts", "task_type", "provider", "model", "role", "propensity", "input_tokens", "output_tokens", "ttft_ms", "total_ms",
    "success", "cost_usd", "request_id", "attempt", "session", "size", "client",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bank:
    """The results of one task type, as arrays of shape (tasks, models)."""

    models: tuple[str, ...]
    success: npt.NDArray[np.float64]
    cost_usd: npt.NDArray[np.float64]
    total_ms: npt.NDArray[np.float64]
    input_tokens: npt.NDArray[np.float64]
    output_tokens: npt.NDArray[np.float64]

    def rate(self, model: str) -> float:
        """The model's true success rate in the replay."""
        return float(self.success[:, self.models.index(model)].mean())

    def cost(self, model: str) -> float:
        """The model's true mean cost, USD."""
        return float(self.cost_usd[:, self.models.index(model)].mean())


@dataclass(frozen=True, slots=True)
class Draws:
    """One night of one task type: which task came, and who answered it."""

    task: npt.NDArray[np.int64]
    arm: npt.NDArray[np.int64]  # 0 = primary, 1 … K = challengers
    answered: npt.NDArray[np.int64]  # column of the bank


def load(models: Sequence[str] = (PRIMARY, *CHALLENGERS)) -> dict[str, Bank]:
    """The banks of all task types, for these models ("provider:model")."""
    rows = pd.read_csv(DATA)
    rows["key"] = rows["provider"] + ":" + rows["model"]
    rows = rows[rows["key"].isin(models)].assign(total_ms=rows["latency_s"] * 1000)
    names = ("success", "cost_usd", "total_ms", "input_tokens", "output_tokens")
    banks = {}
    for task_type, of_task in rows.groupby("task_type", sort=True):
        wide = of_task.pivot_table(index="item_id", columns="key", values=list(names), sort=True)
        columns = [wide[name][list(models)].to_numpy(dtype=float) for name in names]
        banks[str(task_type)] = Bank(tuple(models), *columns)
    return banks


def draw(
    bank: Bank, primary: str, challengers: Sequence[str], per_night: int, share: float, rng: np.random.Generator
) -> Draws:
    """One night's tasks and arms."""
    k = len(challengers)
    task = rng.integers(0, len(bank.success), per_night)
    arm = rng.choice(k + 1, size=per_night, p=[1 - share, *[share / k] * k])
    columns = np.array([bank.models.index(model) for model in (primary, *challengers)], dtype=np.int64)
    return Draws(task, arm, columns[arm])


def shares_of(primary: str, challengers: Sequence[str], share: float) -> dict[str, float]:
    """The share vector of such a night."""
    return {primary: 1 - share, **{model: share / len(challengers) for model in challengers}}


def night_items(
    banks: Mapping[str, Bank], table: Mapping[str, str], night: dt.date, per_night: int, share: float, seed: int
) -> pd.DataFrame:
    """One night of work items (columns.ITEMS) of every task type in `table` (task type → primary)."""
    parts = []
    for number, (task_type, primary) in enumerate(sorted(table.items())):
        bank = banks[task_type]
        challengers = [model for model in bank.models if model != primary]
        rng = np.random.default_rng([seed, number, night.toordinal()])
        drawn = draw(bank, primary, challengers, per_night, share, rng)
        shares = shares_of(primary, challengers, share)
        at = drawn.task, drawn.answered
        model = np.array(bank.models)[drawn.answered]
        parts.append(
            pd.DataFrame(
                {
                    "task_type": task_type,
                    "definition": 1,
                    "simulated": False,
                    "night": pd.Timestamp(night),
                    "closed": pd.Timestamp(night),
                    "size": bank.input_tokens[drawn.task, 0],
                    "shares": share_key(shares),
                    "model": model,
                    "version": "",
                    "role": np.where(drawn.arm == 0, "primary", "explore"),
                    "propensity": np.where(drawn.arm == 0, 1 - share, share / len(challengers)),
                    "drawn": True,
                    "failed": False,
                    "success": bank.success[at],
                    "cost_usd": bank.cost_usd[at],
                    "ttft_ms": np.nan,
                    "total_ms": bank.total_ms[at],
                }
            )
        )
    return typed(pd.concat(parts, ignore_index=True), ITEMS)


def import_rows(
    banks: Mapping[str, Bank], *, nights: int, per_night: int, share: float, seed: int, start: dt.date = START
) -> pd.DataFrame:
    """The same draws as rows for `calls import`, one a call, in order of time."""
    parts = []
    for day in range(nights):
        night = start + dt.timedelta(days=day)
        for number, (task_type, bank) in enumerate(sorted(banks.items())):
            challengers = bank.models[1:]
            rng = np.random.default_rng([seed, number, night.toordinal()])
            drawn = draw(bank, bank.models[0], challengers, per_night, share, rng)
            parts.append(_rows(bank, task_type, night, drawn, share / len(challengers), share, seed))
    return pd.concat(parts, ignore_index=True).sort_values(["ts", "request_id"], kind="stable")[IMPORT_COLUMNS]


def _rows(
    bank: Bank, task_type: str, night: dt.date, drawn: Draws, explored: float, share: float, seed: int
) -> pd.DataFrame:
    n = drawn.task.size
    second = (np.arange(n) * 86_400) // n
    provider, model = zip(*(name.split(":", 1) for name in bank.models), strict=True)
    at = drawn.task, drawn.answered
    return pd.DataFrame(
        {
            "ts": (pd.Timestamp(night) + pd.to_timedelta(second, unit="s")).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "task_type": task_type,
            "provider": np.array(provider)[drawn.answered],
            "model": np.array(model)[drawn.answered],
            "role": np.where(drawn.arm == 0, "primary", "explore"),
            "propensity": np.round(np.where(drawn.arm == 0, 1 - share, explored), 9),
            "input_tokens": bank.input_tokens[at].astype(int),
            "output_tokens": bank.output_tokens[at].astype(int),
            "ttft_ms": "",
            "total_ms": np.round(bank.total_ms[at], 1),
            "success": bank.success[at].astype(int),
            "cost_usd": np.round(bank.cost_usd[at], 9),
            "request_id": [f"bfcl-{seed}-{task_type}-{night:%Y%m%d}-{i:05d}" for i in range(n)],
            "attempt": 1,
            "session": "",
            "size": bank.input_tokens[drawn.task, 0].astype(int),
            "client": "replay",
        }
    )


def main() -> None:
    """Write the replay as a CSV file for `calls import`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--nights", type=int, default=90)
    parser.add_argument("--per-night", type=int, default=200, help="calls a task type and night")
    parser.add_argument("--share", type=float, default=0.10, help="explored share, split over the challengers")
    parser.add_argument("--start", type=dt.date.fromisoformat, default=START)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    rows = import_rows(
        load(), nights=given.nights, per_night=given.per_night, share=given.share, seed=given.seed, start=given.start
    )
    rows.to_csv(given.out, index=False)
    print(f"{given.out}: {len(rows):,} calls of {given.nights} nights")


if __name__ == "__main__":
    main()
