"""Celery's entrance to routing. Every task is safe twice, in parallel, and late."""

import logging
from collections.abc import Callable
from datetime import date, timedelta

from celery import shared_task
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone

from routing import batches, budgets, circuits, idempotency, jobs, lifecycle, notifications, prices, usage

log = logging.getLogger(__name__)


@shared_task  # type: ignore[untyped-decorator]
def housekeeping() -> None:
    """What must be done from time to time and on no particular day: one process at a time, one row a day on the jobs page."""
    _run("housekeeping", (make_partitions, drop_expired, purge_batches, prices.note_changes, lifecycle.warn))


@shared_task  # type: ignore[untyped-decorator]
def watch() -> None:
    """Once a minute: usage as our own calls tell it, windows that have reset, budgets' steps; batches that nobody runs; and what a
    person is to know goes out.
    """
    _run("watch", (read_usage, check_budgets, wake_batches, notify))


def _run(job: str, chores: tuple[Callable[[], object], ...]) -> None:
    with jobs.lock(job, "") as held:
        if not held:
            return
        run = jobs.start(job, timezone.now().date().isoformat())
        failed = [chore.__name__ for chore in chores if not _done(job, chore)]
        if failed:
            jobs.fail(run, RuntimeError(f"{', '.join(failed)} failed; the log tells more"))
        else:
            jobs.finish(run, {})


def _done(job: str, chore: Callable[[], object]) -> bool:
    """Whether the chore ran to its end; one that fails does not keep the others from running."""
    try:
        chore()
    except Exception:
        log.exception("%s: %s failed", job.capitalize(), chore.__name__)
        return False
    return True


def make_partitions(today: date | None = None) -> None:
    """Partitions of calls and attempts for this month and the next, so that a drain at midnight finds its own."""
    this = today or timezone.now().date()
    following = this.replace(day=28) + timedelta(days=4)
    with connection.cursor() as cursor:
        for day in (this, following):
            cursor.execute("SELECT routing_partition(%s)", [day])


def read_usage() -> None:
    """Every window that our own calls tell; then what reset or was read too long ago."""
    now = timezone.now()
    usage.compute(now)
    usage.close(now)
    usage.warn_of_unknown(now)


def check_budgets() -> None:
    """Budgets that have reached a step of this month."""
    budgets.check(timezone.now())


def notify() -> None:
    """Alerts that nobody was told of."""
    notifications.send(timezone.now())


def drop_expired() -> None:
    """Claims of idempotent calls, sessions of people, usage readings and what dead processes told that are past their time."""
    now = timezone.now()
    idempotency.purge(now)
    Session.objects.filter(expire_date__lt=now).delete()
    usage.prune(now)
    circuits.prune(now)


def purge_batches() -> None:
    """Forget the prompts and answers of batches whose time is over."""
    batches.purge(timezone.now())


def wake_batches() -> None:
    """Batches that wait with nobody to run them: the broker was away when they came, or their worker died."""
    batches.wake(timezone.now())


@shared_task  # type: ignore[untyped-decorator]
def run_batch(batch: int) -> None:
    """Go on with a batch. The message names it, and says nothing more."""
    batches.run(batch)
