"""With which model the sessions of late began, so that a change of the table moves none of them. Read without a query.

A process remembers the sessions that it serves; the thread that keeps the snapshot reads of the others those that began otherwise than they
would begin now: all of the last hours when the table's ways have changed, and each second those that came since. The rows decide where
two workers saw a session begin at once. What is not remembered goes by the draw, which says the same everywhere.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from threading import Lock
from uuid import UUID

from django.db import connection

from routing.policy.pins import IDLE, Usual, usual
from routing.policy.table import Table
from routing.terms.candidate import Pin
from routing.terms.words import Role

MOST = 20_000  # sessions remembered; the longest unused go first
READ_EVERY_S = 1.0
LATE = timedelta(seconds=60)  # so old are rows when they come, at most: the drain takes less than one second


@dataclass(slots=True)
class _Known:
    pin: Pin
    scope: str
    seen_at: datetime


class Sessions:
    """What one process knows."""

    def __init__(self) -> None:
        self._known: OrderedDict[UUID, _Known] = OrderedDict()
        self._lock = Lock()
        self._usual: Usual = {}
        self._made_of: tuple[Table, date] | None = None  # the usual ways
        self._read_at = 0.0  # on the monotonic clock

    def begun(self, item: UUID, scope: str, now: datetime) -> Pin | None:
        """With which model the session of the item began; None where nothing deviating is known, or it began for other calls."""
        with self._lock:
            known = self._known.get(item)
            if known is None or known.scope != scope:
                return None
            if now - known.seen_at > IDLE:
                del self._known[item]
                return None
            known.seen_at = max(known.seen_at, now)
            self._known.move_to_end(item)
            return known.pin

    def begin(self, item: UUID, scope: str, pin: Pin, now: datetime) -> None:
        """Remember the model that the session's first call goes to. Of one that is remembered nothing changes."""
        with self._lock:
            if item not in self._known:
                self._keep(item, _Known(pin, scope, now))

    def read(self, table: Table, now: datetime) -> None:
        """Take in what the rows say, as much of it as may be news."""
        ways = self._usual
        if self._made_of is None or self._made_of[0] is not table or self._made_of[1] != now.date():
            ways = usual(table, now.date())
        has_changed = self._made_of is None or ways != self._usual
        if not has_changed and time.monotonic() - self._read_at < READ_EVERY_S:
            return
        rows = _rows(ways, now - (IDLE if has_changed else LATE))
        self._made_of, self._usual, self._read_at = (table, now.date()), ways, time.monotonic()
        with self._lock:
            for item, model, role, scope, seen_at in reversed(rows):  # the latest last: they stay longest
                own = self._known.pop(item, None)
                seen = max(seen_at, own.seen_at) if own is not None else seen_at
                self._keep(item, _Known(Pin(model, Role(role)), scope, seen))

    def _keep(self, item: UUID, known: _Known) -> None:
        self._known[item] = known
        if len(self._known) > MOST:
            self._known.popitem(last=False)


# Sessions that began as they would begin now are left out: their draw says what they have.
_READ = """
SELECT i.id, i.model, i.role, i.scope, i.seen_at FROM routing_workitem i
LEFT JOIN unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS u (task_type, scope, model, shares)
    ON u.task_type = i.task_type AND u.scope = i.scope
WHERE i.seen_at >= %s AND i.role IN ('primary', 'explore', 'fallback', 'override')
  AND (u.model IS NULL OR i.role NOT IN ('primary', 'explore') OR i.shares <> u.shares OR (i.shares = '' AND i.model <> u.model))
ORDER BY i.seen_at DESC LIMIT %s
"""


def _rows(ways: Usual, since: datetime) -> list[tuple[UUID, str, str, str, datetime]]:
    keys, values = list(ways), list(ways.values())
    with connection.cursor() as cursor:
        cursor.execute(
            _READ,
            [
                [task for task, _ in keys],
                [scope for _, scope in keys],
                [model for model, _ in values],
                [shares for _, shares in values],
                since,
                MOST,
            ],
        )
        rows: list[tuple[UUID, str, str, str, datetime]] = cursor.fetchall()
    return rows


_sessions = Sessions()
begun, begin, read = _sessions.begun, _sessions.begin, _sessions.read


def forget() -> None:
    """Know nothing, as a new process: for tests."""
    _sessions.__init__()  # type: ignore[misc]  # the same object: its methods are this module's functions
