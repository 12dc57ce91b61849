"""What watches each model on its route, changed or not: its own beginning, or after an approval its own record as a challenger.

The whole line is computed anew from blocks every time, so that a night that is run again mends it.
"""

import datetime as dt

import pandas as pd

from analytics import sentences
from analytics.arms import current_routes
from analytics.frames import blocks
from analytics.models import Guard, Proposal
from analytics.models.proposals import SWITCHES
from analytics.statements import as_json
from analytics.stats.blocks import nights_of
from analytics.stats.guard import Baseline, Watch, baseline_of, counted, watch
from analytics.stats.runs import Run, current_runs
from routing import alerts
from routing.models import Revision
from routing.terms.words import ProposalKind, ProposalStatus, Severity

KEPT = 120  # nights of the line that a page shows
EPOCH = dt.date(1970, 1, 1)


def check(night: dt.date) -> list[Guard]:
    """Bring every route's guard up to this night; those that fired open a rollback proposal or raise an alert."""
    known = blocks(night, explored_only=False)
    guards = [_guard(run, known[known["task_type"] == run.task_type], night) for run in current_runs(known)]
    for guard in guards:
        if guard.state == "fired":
            _fire(guard)
    return guards


def _guard(run: Run, of_task: pd.DataFrame, night: dt.date) -> Guard:
    served = run.served
    since = EPOCH + dt.timedelta(days=run.since)
    is_own = (of_task["model"] == served.model) & (of_task["version"] == served.version)
    own = of_task[is_own & (of_task["simulated"] == served.simulated) & (of_task["definition"] == run.definition)]
    approval = _approval(run.task_type, served.model, since)
    baseline, after = _baseline(own, run.since, approval)
    line = watch(after, baseline) if baseline is not None and len(after) else None
    values = {"as_of": night, "proposal": approval, **_state(baseline, line)}
    guard, _ = Guard.objects.update_or_create(
        task_type=run.task_type, model=served.model, simulated=served.simulated, since=since, defaults=values
    )
    earlier = Guard.objects.filter(task_type=run.task_type, simulated=served.simulated).exclude(pk=guard.pk)
    earlier.exclude(state="ended").update(state="ended")
    return guard


def _approval(task_type: str, model: str, since: dt.date) -> Proposal | None:
    """The approval that put the model where it is."""
    rows = Proposal.objects.filter(
        task_type=task_type, to_model=model, status=ProposalStatus.APPROVED, reverted_revision=None, as_of__lt=since
    )
    return rows.order_by("-decided_at").first()


def _baseline(own: pd.DataFrame, since: int, approval: Proposal | None) -> tuple[Baseline | None, pd.DataFrame]:
    """What the model is held against, and the nights that are held against it."""
    day = nights_of(own)
    before, during = own[day < since], own[day >= since]
    if approval is not None and before["graded"].sum() > 0:
        return counted(before), during[during["graded"] > 0]
    found = baseline_of(during)
    return (None, during[:0]) if found is None else (found[0], found[1][found[1]["graded"] > 0])


def _state(baseline: Baseline | None, line: Watch | None) -> dict[str, object]:
    if baseline is None:
        return {
            "state": "baseline",
            "baseline": {},
            "nights": 0,
            "graded": 0,
            "log_e": 0.0,
            "trail": [],
            "fired_on": None,
        }
    points = line.points if line else ()
    return {
        "state": "fired" if line and line.fired_on else "watching",
        "baseline": {"n": int(baseline.n.sum()), "successes": int(baseline.successes.sum()), "rate": baseline.rate},
        "nights": len(points),
        "graded": sum(point.n for point in points),
        "log_e": points[-1].log_m if points else 0.0,
        "trail": as_json(list(points[-KEPT:])),
        "fired_on": line.fired_on if line else None,
    }


def _fire(guard: Guard) -> None:
    """Once a guard: an alert; and after an approval the way back, for a person to decide."""
    told = _sentence(guard)
    alerts.raise_alert(
        f"guard:{guard.pk}:{guard.fired_on}",
        kind="guard",
        severity=Severity.CRITICAL,
        title=f"{sentences.model_name(guard.model)} has become worse at {sentences.task_name(guard.task_type)}",
        detail=told,
        subject=f"task:{guard.task_type}",
    )
    approval = guard.proposal
    is_taken = Proposal.objects.filter(
        task_type=guard.task_type, status=ProposalStatus.OPEN, kind__in=SWITCHES
    ).exists()
    was_told = (
        approval is not None
        and Proposal.objects.filter(kind=ProposalKind.ROLLBACK, details__undoes=approval.pk).exists()
    )
    steps = current_routes().get(guard.task_type, [])
    if approval is None or is_taken or was_told or steps[:1] != [guard.model]:
        return
    Proposal.objects.create(
        kind=ProposalKind.ROLLBACK,
        task_type=guard.task_type,
        from_model=guard.model,
        to_model=approval.from_model,
        simulated=guard.simulated,
        evidence={
            "as_of": guard.as_of.isoformat(),
            "nights": guard.nights,
            "baseline": guard.baseline,
            "trail": guard.trail,
        },
        explanation=f"{told} Proposed: {sentences.slug_of(guard.model)} → {sentences.slug_of(approval.from_model)}.",
        details={"undoes": approval.pk, "guard": guard.pk},
        base_steps=steps,
        base_revision=Revision.objects.values_list("number", flat=True).first() or 0,
        opened_on=guard.as_of,
        as_of=guard.as_of,
        supported_on=guard.as_of,
    )


def _sentence(guard: Guard) -> str:
    recent = guard.trail[-7:]
    n, successes = (sum(point[name] for point in recent) for name in ("n", "successes"))
    now = f"{sentences.percent(successes / n)} of {n:,}" if n else "nothing"
    return (
        f"{sentences.model_name(guard.model)} achieved {sentences.percent(guard.baseline['rate'])} of {guard.baseline['n']:,} "
        f"{sentences.task_name(guard.task_type)} items when it came, and {now} in the last {len(recent)} nights; "
        f"its guard fired on {guard.fired_on}."
    )
