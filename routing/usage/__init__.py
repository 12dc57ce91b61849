"""How full the windows of a provider's usage are: as somebody pushed it, or computed from our own calls. The curve takes the highest.

A reading older than policy.health.STALE_AFTER says nothing about now: its window is unknown, and shown so.
"""

from routing.usage.computed import compute
from routing.usage.pace import Point, full_at
from routing.usage.readings import (
    COMPUTED,
    PUSHED,
    Recorded,
    Unknown,
    WindowNow,
    midnight_of,
    name_of,
    prune,
    readings,
    record,
    today,
    why_not,
    windows,
)
from routing.usage.thresholds import THRESHOLDS, close, warn_of_unknown

__all__ = [
    "COMPUTED",
    "PUSHED",
    "THRESHOLDS",
    "Point",
    "Recorded",
    "Unknown",
    "WindowNow",
    "close",
    "compute",
    "full_at",
    "midnight_of",
    "name_of",
    "prune",
    "readings",
    "record",
    "today",
    "warn_of_unknown",
    "why_not",
    "windows",
]
