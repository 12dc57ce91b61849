"""The thread that drains, in every process that dispatches; and those who wait for it."""

import logging
import os
import threading
import time
from pathlib import Path
from uuid import UUID

from django.db import Error, connection

from routing import recorder
from routing.drain.folders import drain_folder, held_lock, note, status
from routing.models import Call
from routing.terms.ids import time_of

log = logging.getLogger(__name__)
IDLE_S = 0.1  # between passes
TAKE_OVER_S = 0.5  # how soon a dead holder's lock is taken
RETRY_S = (0.25, 2.0)  # PostgreSQL is away: from, doubling to
FRESH_S = 60.0  # a call older than this is in PostgreSQL, or the drain says that it is behind


class Drainer:
    """One thread: takes the lock when it is free, then drains until it is stopped."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spool-drain", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with held_lock(self._folder) as lock:
                    if lock is not None:
                        self._drain(lock)
            except OSError as error:  # the data dir is gone or full: nothing can be drained until it is back
                log.warning("the spool cannot be drained: %s", error)
            except Exception:  # a defect here must not end the thread: the spool keeps what it could not write
                log.exception("draining the spool failed of a defect")
                connection.close()
            self._stop.wait(TAKE_OVER_S)

    def _drain(self, lock: int) -> None:
        wait_s, error = IDLE_S, ""
        while not self._stop.wait(wait_s):
            try:
                drain_folder(self._folder)
                wait_s, said = IDLE_S, ""
            except Error as away:
                connection.close()
                wait_s = min(max(wait_s * 2, RETRY_S[0]), RETRY_S[1])
                said = str(away).strip().partition("\n")[0] or type(away).__name__
            if said != error:
                error = said
                note(lock, error)
                log.warning("recording to the spool: %s", error) if error else log.info("the spool is drained again")
        connection.close()


_drainer: Drainer | None = None


def start_background(folder: Path | None = None) -> None:
    """Have this process drain the host's spool whenever no other does. Twice is once."""
    global _drainer
    if _drainer is None:
        _drainer = Drainer(folder or recorder.folder())


def stop_background(*, flush: bool = True) -> None:
    """Stop the thread. With `flush`, first write down all that this process recorded, if PostgreSQL is there."""
    global _drainer
    drainer, _drainer = _drainer, None
    if drainer is not None:
        drainer.stop()
    if flush:
        recorder.close()
        _flush(recorder.folder() if drainer is None else drainer._folder)


def flush(folder: Path | None = None, seconds: float = 10.0) -> bool:
    """Have the spool drained now, by us or by who holds the lock. False when it is not empty after `seconds`, or PostgreSQL is away."""
    return _flush(folder or recorder.folder(), seconds)


def _flush(folder: Path, seconds: float = 10.0) -> bool:
    if not folder.exists():
        return True
    deadline = time.monotonic() + seconds
    while True:
        with held_lock(folder) as lock:
            if lock is not None:
                try:
                    drain_folder(folder)
                except Error as away:
                    note(lock, str(away).strip().partition("\n")[0])
                    log.warning("the spool stays on disk until PostgreSQL is back: %s", away)
                    return False
                return True
        if status(folder).pending_bytes == 0:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)


def wait_for(call: UUID, seconds: float = 2.0) -> bool:
    """Is the call in PostgreSQL? Waits for the drain when it may still be in the spool."""
    deadline = time.monotonic() + (seconds if _may_be_under_way(call) else 0.0)
    pause_s = 0.01
    while not Call.objects.filter(id=call).exists():
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, 0.1)
    return True


def _may_be_under_way(call: UUID) -> bool:
    """A name that nobody made lately is not worth a wait: guessing names must not hold threads."""
    made = time_of(call)
    if made is None:
        return False
    return abs(time.time() - made.timestamp()) < FRESH_S or status().is_behind


def _after_fork() -> None:
    global _drainer
    _drainer = None


os.register_at_fork(after_in_child=_after_fork)
