"""One night's comparisons of every task type: the entry point of the nightly job."""

import datetime as dt
from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from analytics.columns import BLOCKS, typed
from analytics.stats.arrays import sums
from analytics.stats.assembly import comparison
from analytics.stats.found import N_BUCKETS, Found, pace
from analytics.stats.gates import conditions, gates
from analytics.stats.incidents import incidents
from analytics.stats.lacks import lacks_of
from analytics.stats.measures import cost, log_gap, success_gap
from analytics.stats.pairs import by_night, side_by_side
from analytics.stats.proofs import kinds_tonight, processes
from analytics.stats.results import Comparison, TaskSettings
from analytics.stats.runs import current_runs


def compare(
    blocks: pd.DataFrame,
    night: dt.date,
    settings: Mapping[str, TaskSettings],
    *,
    outages: Collection[str] = (),
) -> list[Comparison]:
    """Every (task type, incumbent, challenger) as the evidence stands after this night, in that order.

    `blocks` are columns.BLOCKS of any nights (later ones are left out); `settings` by task type (absent = defaults);
    `outages` names the models ("provider:model") whose circuit was open for 30 minutes or more this night.
    The same rows give the same result, in whatever order they come.
    """
    blocks = typed(blocks, BLOCKS)
    blocks = blocks[blocks["night"] <= pd.Timestamp(night)].sort_values(list(BLOCKS), kind="stable")
    pairs = side_by_side(
        blocks, current_runs(blocks), {task_type: task.horizon_days for task_type, task in settings.items()}
    )
    if not pairs.of:
        return []
    task = [settings.get(run.task_type, TaskSettings()) for run, _ in pairs.of]
    margin = np.array([one.margin for one in task])
    allowed_loss = np.maximum(margin - np.array([one.given_up for one in task]), 0.0)
    spent = cost(pairs)
    needed_lead = np.where(spent.is_dearer, margin, 0.0)
    is_bad = incidents(pairs)
    proven = processes(pairs, allowed_loss, needed_lead, is_bad)
    today = (night - dt.date(1970, 1, 1)).days
    open_gates = gates(pairs, today, is_bad, outages)
    arms, bucket = (pairs.a, pairs.b), pairs.pair * N_BUCKETS + pairs.bucket
    n_buckets = len(pairs.of) * N_BUCKETS
    found = Found(
        pairs=pairs,
        today=today,
        allowed_loss=allowed_loss,
        needed_lead=needed_lead,
        gates=open_gates,
        success=success_gap(pairs, pairs.pair, len(pairs.of)),
        by_bucket=success_gap(pairs, bucket, n_buckets),
        bucket_counts=tuple(sums(bucket, arm[column], n_buckets) for arm in arms for column in ("graded", "successes")),
        graded_by_night=by_night(pairs, "graded"),
        cost=spent,
        ttft=log_gap(pairs, "ttft"),
        total=log_gap(pairs, "total"),
        processes=proven,
        kinds=kinds_tonight(pairs, proven, open_gates.are_open, conditions(spent)),
        graded_pace=pace(pairs, today, "graded"),
        opened_pace=pace(pairs, today, "opened"),
    )
    lacks = lacks_of(found)
    return [comparison(found, number, lacks[number]) for number in range(len(pairs.of))]
