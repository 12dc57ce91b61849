"""Runs of jobs: one per job and key, whoever starts it, however often, in whichever process."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction
from django.utils import timezone

from routing.models import JobRun
from routing.terms.words import JobStatus


@contextmanager
def lock(job: str, key: str) -> Iterator[bool]:
    """Whether this process is the one that runs `job` for `key` now. Held until the end of the block, by this connection."""
    name = f"job {job} {key}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [name])
        (held,) = cursor.fetchone() or (False,)
    try:
        yield bool(held)
    finally:
        if held:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [name])


def start(job: str, key: str) -> JobRun:
    """The run of this job and key, running. A finished one begins again."""
    run, _ = JobRun.objects.get_or_create(job=job, key=key)
    run.status, run.started_at, run.finished_at = JobStatus.RUNNING, timezone.now(), None
    run.progress, run.error = 0, ""
    run.save(update_fields=["status", "started_at", "finished_at", "progress", "error"])
    return run


def finish(run: JobRun, result: dict[str, object]) -> None:
    """It is done, and nothing is left to run again."""
    run.status, run.finished_at, run.progress, run.dirty = JobStatus.DONE, timezone.now(), 1, False
    run.result = result
    run.save(update_fields=["status", "finished_at", "progress", "dirty", "result"])


def fail(run: JobRun, error: BaseException) -> None:
    """It stopped at an error, which a page shows."""
    run.status, run.finished_at, run.error = JobStatus.FAILED, timezone.now(), f"{type(error).__name__}: {error}"[:2000]
    with transaction.atomic():
        run.save(update_fields=["status", "finished_at", "error"])


def is_done(job: str, key: str) -> bool:
    """Whether it ran to its end and no late rows have made it dirty since."""
    return JobRun.objects.filter(job=job, key=key, status=JobStatus.DONE, dirty=False).exists()
