"""One week's review: every night of it first, then the report. Safe twice, late, and in parallel."""

import datetime as dt

from django.db import connection, transaction
from django.utils import timezone

from analytics import nightly, reviews
from analytics.models import Review
from routing.models import JobRun
from routing.terms.words import JobStatus

JOB = "weekly"


def run(week: str) -> Review:
    """Build and store the review of an ISO week, "2026-W47". Raises reviews.BadWeek."""
    last = reviews.monday(week) + reviews.WEEK - dt.timedelta(days=1)
    nightly.run_until(min(last, timezone.now().date() - dt.timedelta(days=1)))
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('analytics.weekly'))")
        review = reviews.keep(week)
        is_over = last < timezone.now().date()
        JobRun.objects.update_or_create(
            job=JOB,
            key=week,
            defaults={
                "status": JobStatus.DONE if is_over else JobStatus.QUEUED,
                "result_sha256": review.sha256,
                "finished_at": timezone.now(),
                "progress": 1.0,
            },
        )
    return review


def run_until(day: dt.date) -> list[Review]:
    """The reviews of all weeks that were over by `day` and have none, or whose nights were run again since."""
    newest: dict[str, dt.datetime] = {}
    for key, finished in _finished(nightly.JOB):
        week = reviews.week_of(dt.date.fromisoformat(key))
        newest[week] = max(newest.get(week, finished), finished)
    done = dict(_finished(JOB))
    over = (week for week in newest if reviews.monday(week) + reviews.WEEK <= day)
    return [run(week) for week in sorted(over) if week not in done or done[week] < newest[week]]


def _finished(job: str) -> list[tuple[str, dt.datetime]]:
    """(key, when it was finished) of the runs that are done."""
    runs = JobRun.objects.filter(job=job, status=JobStatus.DONE)
    return [(run.key, run.finished_at) for run in runs if run.finished_at is not None]
