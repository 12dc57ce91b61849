"""Rows → frames, and results → rows: the door between the ORM and the pure statistics.

A night's items never enter Python. `stage` puts those that opened or closed that night into a temporary table, `fold` measures
and counts them there with the same rules as `stats.items.from_calls` and `stats.blocks.fold` (a test holds them side by side), and what
comes out are blocks: a few rows a task type. Everything here runs inside the caller's transaction.
"""

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import F

from analytics import sentences
from analytics.columns import BLOCKS, empty, typed
from analytics.models import Block, Comparison, Proposal, YardstickState
from analytics.statements import DEFAULT_SOURCES, FAULTS, TUNING, UNTUNED, as_json, day_start, sql
from analytics.stats.histograms import GROWTH
from analytics.stats.results import Comparison as Result
from analytics.stats.results import TaskSettings
from analytics.stats.shares import imported_shares
from analytics.stats.yardsticks import Served, Yardstick
from routing.models import TaskType
from routing.terms.ids import floor_of
from routing.terms.words import LabelSource, ProposalStatus, SuccessFrom

DEFAULT_HORIZON_DAYS = 2

Key = tuple[str, bool]  # task type, simulated: real and simulated items never meet


@contextmanager
def stage(night: dt.date) -> Iterator[CursorWrapper]:
    """A cursor under which the temporary table `night_item` holds every item that opened or closed this night.

    Needs an open transaction. Nothing later than the night is looked at.
    """
    start, day, end = (day_start(night + dt.timedelta(days=days)) for days in (-reach_days(), 0, 1))
    values: dict[str, Any] = {
        "start": start, "day": day, "end": end, "night": night, "first_id": floor_of(day), "end_id": floor_of(end),
        "horizon": DEFAULT_HORIZON_DAYS, "sources": list(DEFAULT_SOURCES), "faults": list(FAULTS),
        "settings": _json(("task_type", "transport", "horizon", "sources"), _settings()),
    }  # fmt: skip
    with connection.cursor() as cursor:
        names = ("task_type", "simulated", "night", "role", "model", "propensity", "shares")
        values["shares"] = _json(names, _shares(cursor, start, end))
        cursor.execute(TUNING)
        for statement in (sql("stage"), sql("open"), "ANALYZE night_open", sql("late"), "ANALYZE night_item"):
            cursor.execute(statement, values)
        try:
            yield cursor
        finally:
            if not connection.needs_rollback:
                cursor.execute(UNTUNED)
                cursor.execute("DROP TABLE IF EXISTS night_item, night_open, night_served, night_yard")


def reach_days() -> int:
    """So many nights after an item opened it closes at the latest."""
    return max([DEFAULT_HORIZON_DAYS, *(horizon for _, _, horizon, _ in _settings())])


def fold(cursor: CursorWrapper, night: dt.date) -> bool:
    """Write the staged night's blocks and yardsticks in place of what was there. Did the yardsticks change by it?"""
    before = yardsticks(night - dt.timedelta(days=1))
    cursor.execute(sql("arms"))
    arms = cursor.fetchall()
    served = _served(arms)
    keys = sorted({(task, simulated) for task, simulated, *_ in arms})
    columns = "task_type text, simulated bool, model text, version text"
    _temporary(cursor, "night_served", columns, [(*key, one.model, one.version) for key, one in served.items()])
    samples = _samples(cursor)
    after, rows = dict(before), []
    for key in keys:
        sizes, totals, costs = (samples.get((*key, what), np.empty(0)) for what in ("sizes", "totals", "costs"))
        now = before.get(key, Yardstick()).opened(night, served.get(key))
        limit = now.cost_limit(costs)
        rows.append(
            (
                *key,
                *(now.edges or (None,) * 3),
                now.edges_from,
                None if np.isinf(limit) else limit,
                now.t50_ms,
                now.t95_ms,
            )
        )
        after[key] = now.collected(sizes, totals, costs)
    # Items that close tonight in a task type where nothing opened keep the edges they had.
    rows += [
        (*key, *(now.edges or (None,) * 3), now.edges_from, None, None, None)
        for key, now in before.items()
        if key not in set(keys)
    ]
    columns = "task_type text, simulated bool, edge1 float8, edge2 float8, edge3 float8, edges_from date, cut numeric, t50 float8, t95 float8"
    _temporary(cursor, "night_yard", columns, rows)
    Block.objects.filter(night=night).delete()
    cursor.execute(sql("fold"), {"night": night})
    return _keep_yardsticks(night, after)


def yardsticks(night: dt.date) -> dict[Key, Yardstick]:
    """The yardsticks as they stood after that night."""
    latest = YardstickState.objects.filter(night__lte=night).order_by("task_type", "simulated", "-night")
    rows = latest.distinct("task_type", "simulated").values_list("task_type", "simulated", "state")
    return {(task, simulated): Yardstick.from_dict(state) for task, simulated, state in rows}


def _keep_yardsticks(night: dt.date, after: Mapping[Key, Yardstick]) -> bool:
    old = {(row.task_type, row.simulated): row.state for row in YardstickState.objects.filter(night=night)}
    new = {key: one.as_dict() for key, one in sorted(after.items())}
    YardstickState.objects.filter(night=night).delete()
    YardstickState.objects.bulk_create(
        [
            YardstickState(night=night, task_type=task, simulated=simulated, state=state)
            for (task, simulated), state in new.items()
        ]
    )
    return old != new


def blocks(until: dt.date, *, explored_only: bool = True) -> pd.DataFrame:
    """All blocks up to and with a night, columns.BLOCKS; without `explored_only` also of task types in which nothing was ever explored."""
    names = list(BLOCKS)
    found = Block.objects.filter(night__lte=until)
    if explored_only:
        found = found.filter(task_type__in=found.filter(opened__gt=F("as_primary")).values("task_type").distinct())
    rows = list(found.values_list(*names))
    return typed(pd.DataFrame(rows, columns=names), BLOCKS) if rows else empty(BLOCKS)


def _settings() -> list[tuple[str, bool, int, list[str]]]:
    """(task type, success from transport, horizon in days, sources in order of precedence) of every task type."""
    rows = []
    for task in TaskType.objects.order_by("slug"):
        sources = [*(task.label_sources or DEFAULT_SOURCES), *task.complete_sources]
        transport = task.success_from == SuccessFrom.TRANSPORT
        at_once = transport or set(sources) == {LabelSource.VALIDATORS}
        rows.append(
            (task.slug, transport, 0 if at_once else task.label_horizon_days, [str(source) for source in sources])
        )
    return rows


def _json(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows as jsonb_to_recordset reads them: parallel workers see no temporary table."""
    return json.dumps([dict(zip(names, row, strict=True)) for row in rows], default=str)


def _shares(cursor: CursorWrapper, start: dt.datetime, end: dt.datetime) -> list[tuple[Any, ...]]:
    """The share key of every distinct kind of imported row in the window."""
    cursor.execute(sql("levels"), (start, end))
    rows = cursor.fetchall()
    if not rows:
        return []
    frame = pd.DataFrame(rows, columns=["task_type", "simulated", "night", "role", "model", "propensity"])
    # The pure function knows no simulated rows; it sees two task types.
    keys = imported_shares(
        frame.assign(task_type=frame["task_type"] + frame["simulated"].map({True: "\0s", False: "\0r"}))
    )
    return [(*row, key) for row, key in zip(rows, keys, strict=True)]


def _served(arms: Iterable[tuple[str, bool, str, str, int]]) -> dict[Key, Served]:
    """The model that served most primary items, the first by name in a tie."""
    best: dict[Key, tuple[int, Served]] = {}
    for task, simulated, model, version, primaries in arms:
        if primaries > best.get((task, simulated), (0, None))[0]:
            best[task, simulated] = (primaries, Served(model, version, simulated))
    return {key: one for key, (_, one) in best.items()}


def _samples(cursor: CursorWrapper) -> dict[tuple[str, bool, str], np.ndarray[Any, np.dtype[np.float64]]]:
    """What a task type's yardstick collects, one value a row: the middle of its histogram bucket, NaN for an unpriced one."""
    cursor.execute(sql("samples"))
    parts: dict[tuple[str, bool, str], list[tuple[float, int]]] = {}
    for task, simulated, what, bucket, count in cursor.fetchall():
        value = np.nan if bucket is None else GROWTH ** (bucket - 0.5)
        parts.setdefault((task, simulated, what), []).append((value, count))
    return {key: np.repeat([value for value, _ in some], [count for _, count in some]) for key, some in parts.items()}


def _temporary(cursor: CursorWrapper, name: str, columns: str, rows: Iterable[tuple[Any, ...]]) -> None:
    cursor.execute(f"CREATE TEMP TABLE {name} ({columns}) ON COMMIT DROP")
    with cursor.copy(f"COPY {name} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    cursor.execute(f"ANALYZE {name}")


def settings_for(night: dt.date) -> dict[str, TaskSettings]:
    """What each task type asks of a proof that night: its margin, less what the steps approved so far gave up."""
    given_up: dict[str, float] = {}
    approved = Proposal.objects.filter(status=ProposalStatus.APPROVED, reverted_revision=None, as_of__lt=night)
    for task, evidence in approved.order_by("pk").values_list("task_type", "evidence"):
        estimate = (evidence.get("success") or {}).get("estimate") or 0.0
        given_up[task] = given_up.get(task, 0.0) + max(0.0, -estimate)
    margins = TaskType.objects.order_by("slug").values_list("slug", "margin")
    return {task: TaskSettings(margin=margin, given_up=given_up.get(task, 0.0)) for task, margin in margins}


def keep(night: dt.date, comparisons: Iterable[Result]) -> None:
    """Write the night's comparisons in place of what was there. The newest row of a pair's run keeps the trail of all of it."""
    Comparison.objects.filter(night=night).delete()
    Comparison.objects.bulk_create([_row(night, one) for one in comparisons], batch_size=500)
    with connection.cursor() as cursor:
        cursor.execute(sql("trails"))


def _row(night: dt.date, one: Result) -> Comparison:
    tonight = one.trail[-1]
    result = as_json(one)
    trail = result.pop("trail")
    result["sentence"] = sentences.explain(one) if one.verdict else sentences.not_yet(one)
    shown = next((proof for proof in one.proofs if proof.kind == one.verdict), None)
    return Comparison(
        night=night,
        task_type=one.task_type,
        incumbent=one.incumbent,
        challenger=one.challenger,
        simulated=one.simulated,
        definition=one.definition,
        since=one.since,
        n_incumbent=one.n_incumbent,
        n_challenger=one.n_challenger,
        verdict=one.verdict or "",
        log_e=shown.log_e if shown else max(proof.log_e for proof in one.proofs),
        log_threshold=tonight.log_threshold,
        log_better=tonight.log_better,
        log_not_worse=tonight.log_not_worse,
        log_faster=tonight.log_faster,
        log_not_slower=tonight.log_not_slower,
        result=result,
        trail=trail,
    )
