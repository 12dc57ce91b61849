"""A moment in a sentence, told in the zone of the reader: "14:05", "3 Feb", "3 Feb 14:05"."""

from datetime import datetime, timedelta, tzinfo

_SOON = timedelta(minutes=2)  # seconds count only then
_FAR = 9999  # the calendar's last year stands for "until somebody says so"


def told(moment: datetime, now: datetime, zone: tzinfo) -> str:
    """The moment as `now` would say it: the time alone today, the day alone at midnight, the year where it is another."""
    there, today = moment.astimezone(zone), now.astimezone(zone)
    clock = f"{there:%H:%M:%S}" if timedelta(0) < moment - now < _SOON else f"{there:%H:%M}"
    if there.date() == today.date():
        return clock
    day = f"{there.day} {there:%b}" + (f" {there.year}" if there.year != today.year else "")
    return day if clock == "00:00" else f"{day} {clock}"


def until(what: str, moment: datetime | None, now: datetime, zone: tzinfo) -> str:
    """ "cooling down until 14:05"; what alone where nobody knows the end."""
    if moment is None or moment.year >= _FAR:
        return what
    return f"{what} until {told(moment, now, zone)}"
