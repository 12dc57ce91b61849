"""One night: read the rows, fold them into blocks, compare, write, propose. Safe twice, late, and in parallel.

A night is a UTC date with one JobRun. It is to be run when it has none, when rows came after it (`dirty`: the drain, imports and verdicts
say so), or when a night before it changed (`queued`). Runs stand in line behind one advisory lock; who comes second finds the work done.
"""

import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import Min
from django.utils import timezone

from analytics import frames, guards, proposals, rollups
from analytics.models import Block
from analytics.statements import as_json, day_start
from analytics.stats.comparisons import compare
from analytics.stats.results import Comparison
from routing.models import Alert, JobRun, WorkItem
from routing.terms.words import JobStatus

JOB = "nightly"
OUTAGE = dt.timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Night:
    """What one night came to."""

    night: dt.date
    was_run: bool  # False: it was done already
    items: int  # opened
    comparisons: int
    verdicts: int  # pairs proved
    sha256: str  # of its blocks and comparisons


def run_until(as_of: dt.date, *, compare_from: dt.date | None = None) -> list[Night]:
    """Run every night up to and with `as_of` that is missing, dirty or behind a changed one, in order.

    Nights before `compare_from` are counted and not compared: a long history that nobody decided on needs no verdict a night.
    """
    done = []
    while nights := pending(as_of):
        # One night may make later ones run again, so the list is asked for anew when it is through.
        done += [_attempt(night, is_compared=not compare_from or night >= compare_from) for night in nights]
    done = [night for night in done if night.was_run]
    if done:
        _watch(done[-1].night)
    return done


def run_between(first: dt.date, last: dt.date) -> list[Night]:
    """Run each of these nights, in order, done or not."""
    nights = [first + dt.timedelta(days=days) for days in range((last - first).days + 1)]
    done = [_attempt(night, again=True) for night in nights]
    _watch(last)
    return done


@transaction.atomic
def _watch(night: dt.date) -> None:
    """The guards as they stand after the newest night; an older one says nothing about now."""
    _lock()
    if not JobRun.objects.filter(job=JOB, key__gt=night.isoformat()).exclude(finished_at=None).exists():
        guards.check(night)


def _lock() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('analytics.nightly'))")


def _attempt(night: dt.date, *, again: bool = False, is_compared: bool = True) -> Night:
    """Run it; a night that fails keeps its reason and stays pending."""
    _announce(night)
    try:
        return run(night, again=again, is_compared=is_compared)
    except Exception as error:
        failed = f"{type(error).__name__}: {error}"
        JobRun.objects.filter(job=JOB, key=night.isoformat()).update(status=JobStatus.FAILED, error=failed)
        raise


def pending(as_of: dt.date) -> list[dt.date]:
    """The nights from the first work item's to `as_of` that are to be run, in order."""
    first = WorkItem.objects.aggregate(first=Min("opened_at"))["first"]
    if first is None:
        return []
    done = set(JobRun.objects.filter(job=JOB, status=JobStatus.DONE, dirty=False).values_list("key", flat=True))
    start = first.astimezone(dt.UTC).date()
    nights = (start + dt.timedelta(days=days) for days in range((as_of - start).days + 1))
    return [night for night in nights if night.isoformat() not in done]


def run(night: dt.date, *, again: bool = False, is_compared: bool = True) -> Night:
    """One night in one transaction. A night that is done already is left alone unless `again`."""
    with transaction.atomic():
        _lock()
        JobRun.objects.get_or_create(job=JOB, key=night.isoformat())
        job = JobRun.objects.select_for_update().get(job=JOB, key=night.isoformat())
        if job.status == JobStatus.DONE and not job.dirty and not again:
            return Night(night, False, **job.result, sha256=job.result_sha256)
        job.started_at = timezone.now()
        if job.dirty or again or not job.result_sha256:
            _fold(night)
        return _conclude(night, job, is_compared)


def _fold(night: dt.date) -> None:
    """Read → blocks, rollups, tallies. When they differ from what stood there, the nights after it are to be run again."""
    before = _block_rows(night)
    with frames.stage(night) as cursor:
        is_moved = frames.fold(cursor, night)
        rollups.tally(cursor, night)
    rollups.roll_up(night)
    if is_moved or before != _block_rows(night):
        later = JobRun.objects.filter(job=JOB, key__gt=night.isoformat()).exclude(finished_at=None)
        near = night + dt.timedelta(days=frames.reach_days())
        later.filter(key__lte=near.isoformat()).update(dirty=True)
        later.update(status=JobStatus.QUEUED)


def _conclude(night: dt.date, job: JobRun, is_compared: bool) -> Night:
    """Compare, write, propose."""
    found = _compare(night) if is_compared else []
    frames.keep(night, found)
    tonight = _block_rows(night)
    is_newest = not JobRun.objects.filter(job=JOB, key__gt=job.key).exclude(finished_at=None).exists()
    if is_newest and is_compared:  # an old night that is run again says nothing about what to do now
        proposals.open_from(found, night)
    counts = {
        "items": sum(row["opened"] for row in tonight),
        "comparisons": len(found),
        "verdicts": sum(one.verdict is not None for one in found),
    }
    text = json.dumps([tonight, as_json(found)], sort_keys=True, default=str)
    job.result, job.result_sha256 = counts, hashlib.sha256(text.encode()).hexdigest()
    job.status, job.dirty, job.progress, job.error = JobStatus.DONE, False, 1.0, ""
    job.finished_at = timezone.now()
    job.save()
    return Night(night, True, **counts, sha256=job.result_sha256)


def _compare(night: dt.date) -> list[Comparison]:
    return compare(frames.blocks(night), night, frames.settings_for(night), outages=_outages(night))


def _block_rows(night: dt.date) -> list[dict[str, Any]]:
    fields = [field.name for field in Block._meta.concrete_fields if not field.primary_key]
    keys = ("task_type", "definition", "simulated", "bucket", "shares", "model", "version")
    return list(Block.objects.filter(night=night).order_by(*keys).values(*fields))


def _announce(night: dt.date) -> None:
    """Make the night's JobRun visible and clean, then wait for the writers that may not have seen it so.

    Who writes rows of a night that has a clean JobRun marks it dirty, after the rows. So from here on a row is either committed, and the
    night will read it, or its writer will find the JobRun, and the night will be run again.
    """
    key = night.isoformat()
    JobRun.objects.bulk_create([JobRun(job=JOB, key=key, started_at=timezone.now())], ignore_conflicts=True)
    JobRun.objects.filter(job=JOB, key=key, dirty=True).update(dirty=False, status=JobStatus.QUEUED, result_sha256="")
    for table in ("routing_workitem", "routing_label"):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {table} IN SHARE MODE")


def _outages(night: dt.date) -> set[str]:
    """Models whose circuit was open for 30 minutes or more that night, as the alerts tell."""
    start, end = day_start(night), day_start(night + dt.timedelta(days=1))
    alerts = Alert.objects.filter(kind="circuit", created_at__lt=end).exclude(resolved_at__lte=start)
    spans = (
        (one.subject.removeprefix("model:"), max(one.created_at, start), min(one.resolved_at or end, end))
        for one in alerts
    )
    return {model for model, opened, closed in spans if closed - opened >= OUTAGE}
