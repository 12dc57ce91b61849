"""The thread of a web worker that keeps OAuth tokens fresh.

In the web worker and not in a Celery job: a dispatch must not notice that the broker, the Celery worker or beat is away. Every worker
has the thread; the lease sees to it that one of them asks.
"""

import logging
import threading
from collections.abc import Callable

from django.db import DatabaseError, InterfaceError, connection

from routing.credentials import renewal

POLL_S = 1.0

logger = logging.getLogger(__name__)


class _Renewer:
    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, name="credentials", daemon=True)

    def _run(self) -> None:
        while not self.stopping.wait(POLL_S):
            try:
                renewal.renew_due(keep=self._keep)
            except (DatabaseError, InterfaceError):
                connection.close()  # away; the snapshot's thread tells it
            except Exception:  # the thread must live: without it tokens would run out one after the other
                logger.exception("The OAuth tokens could not be renewed")
        connection.close()

    def _keep(self, write: Callable[[], bool]) -> bool:
        """Write what the token server gave until it is written: a refresh token that was exchanged is not to be had again."""
        while True:
            try:
                return write()
            except (DatabaseError, InterfaceError):
                connection.close()
                if self.stopping.wait(POLL_S):
                    raise


_renewer: _Renewer | None = None
_lock = threading.Lock()


def start() -> None:
    """Begin to renew behind."""
    global _renewer
    with _lock:
        if _renewer is None:
            _renewer = _Renewer()
            _renewer.thread.start()


def stop() -> None:
    """End, after the exchange that is under way."""
    global _renewer
    with _lock:
        renewer, _renewer = _renewer, None
    if renewer is not None:
        renewer.stopping.set()
        renewer.thread.join(timeout=15)
