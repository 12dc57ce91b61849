"""The rows of incumbent and challenger side by side, all pairs of a night at once."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from analytics.columns import BLOCK_COUNTS
from analytics.stats.arrays import Bools, Floats, Ints, sums
from analytics.stats.blocks import nights_of
from analytics.stats.evalues import Rows
from analytics.stats.runs import Run
from analytics.stats.yardsticks import Served

COUNTS = list(BLOCK_COUNTS)
OUTCOMES = ["drawn", "graded", "successes"]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Every (incumbent, challenger) of tonight, and their block rows sorted by (pair, night, cell)."""

    of: tuple[tuple[Run, Served], ...]  # by pair number
    pair: Ints
    night: Ints  # days since 1970
    cell: Ints  # number of the (size bucket, share vector)
    bucket: Ints
    a: dict[str, Floats]  # the incumbent's counts, by column name
    b: dict[str, Floats]  # the challenger's; 0 where it has no row in the block
    pair_night: Ints  # number of the row's (pair, night)
    starts: Ints  # first (pair, night) number of each pair, and their count at the end
    nights: Ints  # night of each (pair, night)
    totals: dict[str, tuple[Floats, Floats]]  # sums of a column by pair: (incumbent's, challenger's)

    def rows(self, n: str, s: str) -> Rows:
        """The columns n and s of both arms as trials and successes."""
        return Rows(self.pair, self.night, self.cell, self.a[n], self.a[s], self.b[n], self.b[s])

    def span(self, pair: int) -> slice:
        """Where the (pair, night) numbers of a pair stand."""
        return slice(int(self.starts[pair]), int(self.starts[pair + 1]))


def side_by_side(blocks: pd.DataFrame, runs: list[Run], horizons: Mapping[str, int]) -> Pairs:
    """The pairs of these runs, in the order of task types and challengers, with the blocks of each run.

    `horizons` are the label horizons in days by task type (absent = 0: labels come at once).
    """
    of = tuple((run, challenger) for run in runs for challenger in run.challengers)
    keys = ["pair", "night", "cell", "bucket", "regime"]
    if not of:
        return _arranged(of, pd.DataFrame(columns=[*keys, *(f"{name}_{arm}" for name in COUNTS for arm in "ab")]))
    by_model = blocks.groupby(["task_type", "definition", "model", "version", "simulated"], sort=False)
    served = {key: np.asarray(positions, dtype=np.intp) for key, positions in by_model.indices.items()}
    cells = blocks.groupby(["bucket", "shares"], sort=True).ngroup()
    regimes = blocks.assign(one=blocks["bucket"] == 0).groupby(["shares", "one"], sort=True).ngroup()
    blocks = blocks[["bucket", *COUNTS]].assign(night=nights_of(blocks), cell=cells, regime=regimes)
    a, b = _arm(blocks, served, [(run, run.served) for run, _ in of]), _arm(blocks, served, list(of))
    rows = a.merge(b, on=keys, how="outer", suffixes=("_a", "_b")).fillna(0).sort_values(keys, ignore_index=True)
    horizon = np.array([horizons.get(run.task_type, 0) for run, _ in of])[rows["pair"].to_numpy()]
    if horizon.any():
        rows.loc[~_is_settled(rows, horizon), [f"{name}_{arm}" for name in OUTCOMES for arm in "ab"]] = 0
    return _arranged(of, rows)


def _is_settled(rows: pd.DataFrame, horizon: Ints) -> Bools:
    """Whether a row's outcomes are a fair sample, quick labels and slow ones together.

    When a share vector comes into force (or the size buckets do: a regime), the first labels to arrive are the quickest,
    faults above all; once it has ended only the slow ones are left. Where the arms' labels take unequally long, such
    nights show a difference that is none. So a regime's outcomes count from `horizon` nights after the challenger's
    first item in it, and not on nights whose items all opened under another.
    """
    night = rows["night"].to_numpy(dtype=np.int64)
    opened = rows["opened_a"] + rows["opened_b"]
    regime = [rows["pair"], rows["regime"]]
    first = rows["night"].where(rows["opened_b"] > 0).groupby(regime).transform("min").fillna(0).to_numpy()
    elsewhere = opened.groupby([rows["pair"], rows["night"]]).transform("sum") > 0
    is_over = elsewhere & (opened.groupby([*regime, rows["night"]]).transform("sum") == 0)
    settled: Bools = (horizon == 0) | ((night >= first + horizon) & ~is_over.to_numpy())
    return settled


def by_night(pairs: Pairs, column: str) -> tuple[Floats, Floats]:
    """Sums of a column by (pair, night): (incumbent's, challenger's)."""
    return _by(pairs.pair_night, pairs.a[column], pairs.nights.size), _by(
        pairs.pair_night, pairs.b[column], pairs.nights.size
    )


def _arm(
    blocks: pd.DataFrame, served: Mapping[Hashable, npt.NDArray[np.intp]], arms: list[tuple[Run, Served]]
) -> pd.DataFrame:
    """The rows of one arm of every pair, numbered by pair."""
    night = blocks["night"].to_numpy()
    positions = [
        served.get(
            (run.task_type, run.definition, model.model, model.version, model.simulated), np.array([], dtype=int)
        )
        for run, model in arms
    ]
    positions = [rows[night[rows] >= run.since] for (run, _), rows in zip(arms, positions, strict=True)]
    pair = np.repeat(np.arange(len(arms)), [rows.size for rows in positions])
    return blocks.take(np.concatenate(positions)).assign(pair=pair)


def _arranged(of: tuple[tuple[Run, Served], ...], rows: pd.DataFrame) -> Pairs:
    pair, night, cell, bucket = (rows[name].to_numpy(dtype=np.int64) for name in ("pair", "night", "cell", "bucket"))
    is_new = np.append(True, (pair[1:] != pair[:-1]) | (night[1:] != night[:-1]))[: pair.size]
    first_rows = np.flatnonzero(is_new)
    a, b = ({name: rows[f"{name}_{arm}"].to_numpy(dtype=float) for name in COUNTS} for arm in "ab")
    return Pairs(
        of=of,
        pair=pair,
        night=night,
        cell=cell,
        bucket=bucket,
        a=a,
        b=b,
        pair_night=np.cumsum(is_new) - 1,
        starts=np.searchsorted(pair[first_rows], np.arange(len(of) + 1)),
        nights=night[first_rows],
        totals={name: (_by(pair, a[name], len(of)), _by(pair, b[name], len(of))) for name in COUNTS},
    )


def _by(group: Ints, values: Floats, n_groups: int) -> Floats:
    return sums(group, values, n_groups)
