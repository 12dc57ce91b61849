"""The weekly review: per task type winners, failures and spend, and the week's changes with how they turned out. From rollups.

A review depends on the rows of its week and of the week before, on what was decided by its end, and on nothing else: made again, it is the same.
"""

import datetime as dt
import hashlib
import json
import re
from decimal import Decimal
from typing import Any

from django.db.models import Q

from analytics import queries, sentences, spend
from analytics.models import Proposal, Review
from analytics.queries import ModelRow, models, rate, totals
from analytics.statements import as_json, day_start
from routing.models import Revision
from routing.terms.words import ProposalStatus

WEEK = dt.timedelta(days=7)
MIN_GRADED = 30  # fewer graded items make no winner


class BadWeek(ValueError):
    """Not an ISO week such as 2026-W47."""

    status = 422


def monday(week: str) -> dt.date:
    """The first day of an ISO week. Raises BadWeek."""
    if not re.fullmatch(r"[0-9]{4}-W[0-9]{2}", week):
        raise BadWeek(f"{week!r} is not an ISO week; write 2026-W47.")
    try:
        return dt.date.fromisocalendar(int(week[:4]), int(week[6:]), 1)
    except ValueError as error:
        raise BadWeek(f"{week!r} is not an ISO week: {error}.") from error


def week_of(day: dt.date) -> str:
    """The ISO week of a day: "2026-W47"."""
    year, number, _ = day.isocalendar()
    return f"{year}-W{number:02d}"


def build(week: str) -> dict[str, Any]:
    """The review as JSON."""
    start = monday(week)
    end = start + WEEK
    now, before = totals(start, end), totals(start - WEEK, start)
    by_task: dict[str, list[ModelRow]] = {}
    for row in models(start, end):
        by_task.setdefault(row.task_type, []).append(row)
    decided = _changes(start, end)
    result = {
        "week": week,
        "starts_on": start,
        "ends_on": end - dt.timedelta(days=1),
        "totals": now,
        "before": before,
        "tasks": [_task(task, rows) for task, rows in sorted(by_task.items())],
        "changes": decided,
        "in_force": _in_force(end),
        "open_proposals": _open(end),
        "spend": {name: spend.by(name, start, end) for name in spend.DIMENSIONS},
        "quality": _quality(by_task),
    }
    told: dict[str, Any] = plain(result)
    told["headlines"] = _headlines(told)
    return told


def keep(week: str) -> Review:
    """Build the review and store it; one that comes out the same is left as it is."""
    result = build(week)
    sha256 = hashlib.sha256(json.dumps(result, sort_keys=True).encode()).hexdigest()
    review, made = Review.objects.get_or_create(
        week=week, defaults={"starts_on": monday(week), "result": result, "sha256": sha256}
    )
    if not made and review.sha256 != sha256:
        review.result, review.sha256 = result, sha256
        review.save()
    return review


def plain(value: Any) -> Any:
    """As JSON: money as decimal strings, the rest as frames.as_json."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, Decimal):
        return money(value)
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return as_json(value)


def money(amount: Decimal) -> str:
    """USD as a decimal string: at least two decimals, at most ten, no exponent."""
    whole, _, part = format(amount.quantize(Decimal("1e-10")), "f").partition(".")
    return f"{whole}.{part.rstrip('0'):0<2}"


def _task(task_type: str, rows: list[ModelRow]) -> dict[str, Any]:
    graded = [row for row in rows if row.success is not None and row.success.n >= MIN_GRADED]
    winner = max(graded, key=lambda row: (row.success.interval.low if row.success else 0.0, row.model), default=None)
    return {
        "task_type": task_type,
        "calls": sum(row.attempts for row in rows),
        "cost_usd": sum((row.cost_usd for row in rows), Decimal(0)),
        "winner": winner.model if winner else None,
        "why_no_winner": "" if winner else f"no model has {MIN_GRADED} graded work items this week",
        "models": rows,
        "failures": [_failure(row) for row in rows if _failure(row)["items"] or _failure(row)["faults"]],
    }


def _failure(row: ModelRow) -> dict[str, Any]:
    return {
        "model": row.model,
        "items": row.success.n - row.success.successes
        if row.success
        else 0,  # graded items that did not achieve the task
        "graded": row.success.n if row.success else 0,
        "faults": row.availability.n - row.availability.successes if row.availability else 0,  # the provider's
        "attempts": row.attempts,
    }


def _changes(start: dt.date, end: dt.date) -> list[dict[str, Any]]:
    rows = Revision.objects.filter(created_at__gte=day_start(start), created_at__lt=day_start(end)).order_by("number")
    names = ("number", "by_name", "reason", "source", "task_types", "proposal_id", "restores")
    return [
        {**{name: getattr(row, name) for name in names}, "at": row.created_at.isoformat()}
        for row in rows
        if row.changes
    ]


def _in_force(end: dt.date) -> list[dict[str, Any]]:
    """Approved changes at the end of the week: what was predicted of the new primary, and what it did since."""
    rows = Proposal.objects.filter(status=ProposalStatus.APPROVED, decided_at__lt=day_start(end)).order_by("pk")
    told = []
    for one in rows:
        realised = queries.realised(one, end)
        told.append(
            {
                "proposal": one.pk, "task_type": one.task_type, "kind": one.kind, "from": one.from_model, "to": one.to_model,
                "approved_on": realised.since - dt.timedelta(days=1), "revision": one.applied_revision, "reverted": one.reverted_revision,
                "predicted": one.evidence.get("rate_challenger"), "realised": realised.success,
            }
        )  # fmt: skip
    return told


def _open(end: dt.date) -> list[dict[str, Any]]:
    still = Q(decided_at=None) | Q(decided_at__gte=day_start(end))
    rows = Proposal.objects.filter(still, opened_on__lt=end).order_by("pk")
    return [
        {"proposal": one.pk, "task_type": one.task_type, "kind": one.kind, "from": one.from_model, "to": one.to_model,
         "opened_on": one.opened_on}
        for one in rows
    ]  # fmt: skip


def _quality(by_task: dict[str, list[ModelRow]]) -> dict[str, Any]:
    rows = [row for of_task in by_task.values() for row in of_task]
    drawn = sum(row.graded_share.n for row in rows if row.graded_share)
    graded = sum(row.graded_share.successes for row in rows if row.graded_share)
    return {
        "unpriced": sum(row.unpriced for row in rows),
        "graded": rate(graded, drawn),
        "simulated": bool(rows) and all(row.simulated for row in rows),
    }


def _headlines(told: dict[str, Any]) -> list[str]:
    """The week in a few sentences."""
    now, before = told["totals"], told["before"]
    lines = [f"{now['calls']:,} calls for {sentences.usd(float(now['cost_usd']))}{_against(now, before)}."]
    if now["success"]:
        lines.append(
            f"{sentences.percent(now['success']['interval']['estimate'], 1)} of {now['success']['n']:,} graded work items achieved their task."
        )
    worst = max(
        ((failure, task["task_type"]) for task in told["tasks"] for failure in task["failures"] if failure["graded"] >= MIN_GRADED),
        key=lambda pair: (pair[0]["items"] / pair[0]["graded"], pair[1]), default=None,
    )  # fmt: skip
    if worst:
        failure, task = worst
        lines.append(
            f"Most failures: {sentences.slug_of(failure['model'])} at {sentences.task_name(task)}, "
            f"{failure['items']:,} of {failure['graded']:,}."
        )
    lines.append(
        f"{len(told['changes'])} changes of the routing table, {len(told['open_proposals'])} proposals open at the week's end."
    )
    return lines


def _against(now: dict[str, Any], before: dict[str, Any]) -> str:
    if not before["calls"]:
        return ""
    change = now["calls"] / before["calls"] - 1
    return f" ({100 * change:+.0f} % calls against the week before)".replace("-", "−")
