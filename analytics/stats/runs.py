"""Whose evidence it is: a night's incumbent, its unbroken run, and how many challengers it was ever compared with."""

from dataclasses import dataclass

import pandas as pd

from analytics.stats.blocks import nights_of
from analytics.stats.yardsticks import Served


@dataclass(frozen=True, slots=True)
class Run:
    """The incumbent of a task type's latest night with primary rows, and the frame of its comparisons."""

    task_type: str
    served: Served
    definition: int
    since: int  # first night of the unbroken run, days since 1970
    challengers: tuple[Served, ...]  # explored during the run, in their latest version
    ever: tuple[tuple[int, int], ...]  # (night, K) wherever K, the number of challengers ever compared, grew


def current_runs(blocks: pd.DataFrame) -> list[Run]:
    """One run a task type with primary rows, in the order of task types, from blocks of no later night than tonight."""
    rows = blocks[blocks["opened"] > 0]
    rows = rows.assign(day=nights_of(rows), explored=rows["opened"] - rows["as_primary"])
    newest = rows.groupby("task_type")["definition"].transform("max")
    started = rows[rows["definition"] == newest].groupby("task_type").agg({"definition": "max", "day": "min"})
    explored = _summed(rows, "explored")
    return [
        _run(task_type, nights, explored.get(task_type, []), *map(int, started.loc[task_type]))
        for task_type, nights in _summed(rows, "as_primary").items()
    ]


@dataclass(frozen=True, slots=True)
class _Count:
    """Items of one model on one night."""

    day: int
    served: Served
    n: int


def _summed(rows: pd.DataFrame, column: str) -> dict[str, list[_Count]]:
    """The column's sums by night and model, by task type; nights ascending, within one the most first, then by name."""
    by = ["task_type", "day", "model", "version", "simulated"]
    found = rows[rows[column] > 0].groupby(by, sort=True)[column].sum().reset_index()
    found = found.sort_values(["task_type", "day", column], ascending=[True, True, False], kind="stable")
    counts: dict[str, list[_Count]] = {}
    for task_type, day, *served, n in zip(*(found[name].tolist() for name in (*by, column)), strict=True):
        counts.setdefault(task_type, []).append(_Count(day, Served(*served), n))
    return counts


def _run(task_type: str, primary: list[_Count], explored: list[_Count], definition: int, started: int) -> Run:
    incumbents: dict[int, Served] = {}
    for one in primary:
        incumbents.setdefault(one.day, one.served)
    nights = list(incumbents)
    last = incumbents[nights[-1]]
    broken = max((place + 1 for place, night in enumerate(nights) if incumbents[night] != last), default=0)
    since = max(nights[broken], started)
    others = [one for one in explored if one.served.model != last.model and one.served.simulated == last.simulated]
    # A night of the run may have had no primary row at all; who was explored then was compared all the same.
    own = {night for night, served in incumbents.items() if served.model == last.model}
    beside = [one for one in others if one.day >= since or one.day in own]
    return Run(
        task_type=task_type,
        served=last,
        definition=definition,
        since=since,
        challengers=_latest_versions([one for one in others if one.day >= since]),
        ever=_ever(beside),
    )


def _latest_versions(explored: list[_Count]) -> tuple[Served, ...]:
    """Each model as it served on its latest night, by name."""
    latest: dict[str, _Count] = {}
    for one in explored:
        if one.served.model not in latest or one.day > latest[one.served.model].day:
            latest[one.served.model] = one
    return tuple(latest[model].served for model in sorted(latest))


def _ever(beside: list[_Count]) -> tuple[tuple[int, int], ...]:
    """K over the nights on which the incumbent was this model, in any of its runs: it only grows."""
    seen: set[str] = set()
    grown: dict[int, int] = {}
    for one in beside:
        if one.served.model not in seen:
            seen.add(one.served.model)
            grown[one.day] = len(seen)
    return tuple(grown.items())
