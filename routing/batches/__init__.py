"""Many calls sent together: kept as encrypted rows, made by a Celery worker at most so many at a time, each at most once.

The broker is told ids only, and it may lose what it is told: PostgreSQL is the truth, and the watch of every minute sends again what nobody
runs. An item is claimed by compare-and-set with the id of its call already chosen; a worker that dies leaves the items that it had claimed
`unknown`, and nobody makes those calls again.
"""

from routing.batches.ending import KEEP, NotOver, cancel, forget, purge
from routing.batches.messages import wake
from routing.batches.reading import Told, find, item, items, page, results, told
from routing.batches.running import run
from routing.batches.sending import MOST_AT_ONCE, MOST_ITEMS, TooMany, submit

__all__ = [
    "KEEP",
    "MOST_AT_ONCE",
    "MOST_ITEMS",
    "NotOver",
    "Told",
    "TooMany",
    "cancel",
    "find",
    "forget",
    "item",
    "items",
    "page",
    "purge",
    "results",
    "run",
    "submit",
    "told",
    "wake",
]
