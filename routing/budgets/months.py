"""The months that budgets are of."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone


def month_of(now: datetime) -> tuple[datetime, datetime]:
    """(begin, end) of the month in CORTEX_TIME_ZONE."""
    first = first_of(now)
    following = (first + timedelta(days=31)).replace(day=1)
    begin, end = (datetime.combine(day, time.min, ZoneInfo(settings.TIME_ZONE)) for day in (first, following))
    return begin, end


def first_of(now: datetime) -> date:
    """The month's first day, which is its name."""
    return timezone.localdate(now, ZoneInfo(settings.TIME_ZONE)).replace(day=1)
