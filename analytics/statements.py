"""What SQL and JSON have in common here: the statements by name, the first moment of a night, a result as JSON holds it.

Imports no pandas, so that a web worker, which reads rollups and never a frame, holds none.
"""

import dataclasses
import datetime as dt
import functools
import math
from enum import StrEnum
from pathlib import Path
from typing import Any

from routing.terms.words import LabelSource

DEFAULT_SOURCES = (LabelSource.VALIDATORS, LabelSource.CI, LabelSource.PERSON, LabelSource.IMPORT)
FAULTS = ("connect", "timeout", "server", "malformed", "truncated")  # the provider's own; another error is no outcome

# A night is a few large statements: they may use memory, and compiling them takes longer than it saves.
# They group by many columns, whose combinations PostgreSQL takes for millions; there are hundreds, and hashing them is twice as fast as sorting.
# Workers that share a hash table keep it in /dev/shm, which is 64 MB in a container that nobody told otherwise.
TUNING = "SET LOCAL work_mem = '192MB'; SET LOCAL jit = off; SET LOCAL enable_sort = off; SET LOCAL enable_parallel_hash = off"
UNTUNED = "SET LOCAL enable_sort = on"


@functools.cache
def sql(name: str) -> str:
    """The statement in analytics/sql of that name."""
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


def day_start(night: dt.date) -> dt.datetime:
    """The first moment of a UTC day."""
    return dt.datetime(night.year, night.month, night.day, tzinfo=dt.UTC)


def as_json(value: Any) -> Any:
    """A result as JSON holds it: dataclasses as objects, dates as ISO text, numbers that are none as null."""
    if dataclasses.is_dataclass(value):
        return {field.name: as_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, (list, tuple)):
        return [as_json(one) for one in value]
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
