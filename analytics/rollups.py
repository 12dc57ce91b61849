"""Raw rows → the counts that pages and reports read: hourly rollups of attempts, nightly tallies of work items."""

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from analytics.models import Rollup, Tally
from analytics.statements import FAULTS, TUNING, UNTUNED, day_start, sql
from analytics.stats.histograms import LogHistogram
from routing.terms.ids import floor_of


def roll_up(night: dt.date) -> None:
    """Write the night's hourly rollups in place of what was there."""
    start, end = day_start(night), day_start(night + dt.timedelta(days=1))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('analytics.rollups'))")
        cursor.execute(TUNING)
        day: dict[str, Any] = {
            "start": start,
            "first_id": floor_of(start),
            "end_id": floor_of(end),
            "faults": list(FAULTS),
        }
        cursor.execute(sql("attempts"), day)
        cursor.execute(UNTUNED)
        Rollup.objects.filter(hour__gte=start, hour__lt=end).delete()
        cursor.execute(sql("rollup"))
        cursor.execute("DROP TABLE day_hour")


def tally(cursor: CursorWrapper, night: dt.date) -> None:
    """Write the tallies of the night that `frames.stage` has staged, in place of what was there."""
    Tally.objects.filter(night=night).delete()
    cursor.execute(sql("tally"), {"night": night})


def histogram(parts: Iterable[tuple[list[int], list[int]]]) -> LogHistogram:
    """The (buckets, counts) of several rollups as one histogram."""
    return LogHistogram.merged(LogHistogram(dict(zip(buckets, counts, strict=True))) for buckets, counts in parts)
