"""The thread that keeps a process's snapshot: polls, reads anew, writes what was learned, claims probes, shares limits."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from django.db import DatabaseError, InterfaceError, connection

from routing import circuits, limits

POLL_S = 0.4
AWAY_S = 1.0  # between two tries while PostgreSQL is away

logger = logging.getLogger(__name__)


class _Refresher:
    def __init__(self, refresh: Callable[[], None]) -> None:
        self.refresh = refresh
        self.wake = threading.Event()
        self.stopping = False
        self.is_away = False
        self.thread = threading.Thread(target=self._run, name="snapshot", daemon=True)

    def tick(self) -> None:
        """One round. Never raises: what is known stays known."""
        try:
            circuits.write_pending()
            circuits.claim_probes(datetime.now(UTC))
            limits.exchange(time.time())
            self.refresh()
        except (DatabaseError, InterfaceError) as error:
            self._say_away(error)
            circuits.claim_probes(datetime.now(UTC), alone=True)
            limits.away()
            connection.close()
        except Exception:  # the thread must live: without it the process would route by an old table for ever
            logger.exception("The snapshot could not be refreshed")
        else:
            if self.is_away:
                logger.warning("The database is back; the snapshot is fresh")
            self.is_away = False

    def _say_away(self, error: Exception) -> None:
        if not self.is_away:
            lines = str(error).strip().splitlines()
            logger.warning(
                "The database is away; routing by what is known: %s", lines[0] if lines else type(error).__name__
            )
        self.is_away = True

    def _run(self) -> None:
        while not self.stopping:
            self.wake.wait(AWAY_S if self.is_away else POLL_S)
            self.wake.clear()
            self.tick()
        connection.close()


_refresher: _Refresher | None = None
_lock = threading.Lock()


def is_running() -> bool:
    return _refresher is not None


def start(refresh: Callable[[], None]) -> None:
    """Begin, after one round in this thread."""
    global _refresher
    with _lock:
        if _refresher is not None:
            return
        _refresher = _Refresher(refresh)
        _refresher.tick()
        connection.close()
        circuits.on_change(_refresher.wake.set)
        limits.on_change(_refresher.wake.set)
        _refresher.thread.start()


def stop() -> None:
    """End, after a last round."""
    global _refresher
    with _lock:
        refresher, _refresher = _refresher, None
    if refresher is not None:
        circuits.on_change(lambda: None)
        limits.on_change(None)
        refresher.stopping = True
        refresher.wake.set()
        refresher.thread.join(timeout=10)
