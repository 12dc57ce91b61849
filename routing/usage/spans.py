"""How long a window is, and when the one that is open now began and ends."""

import re
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

MONDAY = date(2024, 1, 1)  # windows of whole days, whose reset nobody named, are counted from here
_WORDS = {"hourly": 1.0, "daily": 24.0, "weekly": 168.0}
_LENGTH = re.compile(r"\b(\d{1,4}(?:\.\d)?) ?-?(h|hour|hours|d|day|days)\b", re.IGNORECASE)


def hours_of(name: str, hours: float | None = None) -> float | None:
    """The length of a window: as it is set, else as its name says it ("5h", "weekly"); None when neither does."""
    if hours:
        return hours
    for word, length in _WORDS.items():
        if word in name.lower():
            return length
    found = _LENGTH.search(name)
    if found is None:
        return None
    return float(found[1]) * (24 if found[2].lower().startswith("d") else 1) or None


def bounds(hours: float, now: datetime, zone: ZoneInfo, resets_at: datetime | None = None) -> tuple[datetime, datetime]:
    """(begin, end) of the window that is open now.

    `resets_at` is any moment at which it was known to reset, past or to come: windows follow each other without a gap from there. Without
    one, whole days begin at midnight and weeks on Monday in the zone; shorter windows begin anew each Monday at midnight.
    """
    length = timedelta(hours=hours)
    if resets_at is not None:
        begin = resets_at + (now - resets_at) // length * length
        return begin, begin + length
    if hours % 24 == 0:
        days = int(hours // 24)
        first = MONDAY + (now.astimezone(zone).date() - MONDAY) // timedelta(days=days) * timedelta(days=days)
        return midnight(first, zone), midnight(first + timedelta(days=days), zone)
    today = now.astimezone(zone).date()
    monday = today - timedelta(days=today.weekday())
    begin = midnight(monday, zone)
    begin += (now - begin) // length * length
    return begin, min(begin + length, midnight(monday + timedelta(days=7), zone))


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """00:00 of the day in the zone."""
    return datetime.combine(day, time.min, zone)
