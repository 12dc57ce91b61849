"""Celery's entrance to analytics. Every task is safe twice, in parallel, and late: it makes up the dates that were missed."""

import datetime as dt

from celery import shared_task
from django.utils import timezone

from analytics import nightly as nights
from analytics import rollups
from analytics import weekly as weeks


@shared_task  # type: ignore[untyped-decorator]
def nightly() -> None:
    """Every night up to yesterday (UTC) that is missing or dirty; then today's rollups so far, for the pages."""
    today = timezone.now().date()
    nights.run_until(today - dt.timedelta(days=1))
    rollups.roll_up(today)


@shared_task  # type: ignore[untyped-decorator]
def weekly() -> None:
    """The review of every week that is over and has none, or whose nights were run again since."""
    weeks.run_until(timezone.now().date())
