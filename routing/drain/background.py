"""Who drains: a process of its own where there is one, else a thread of a process that dispatches; and those who wait for it."""

import contextlib
import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from django.db import Error, connection

from routing import recorder
from routing.drain.folders import drain_folder, held_lock, note, status
from routing.models import Call
from routing.segments import lock_if_orphan
from routing.terms.ids import time_of

log = logging.getLogger(__name__)
IDLE_S = 0.1  # between passes
# After a pass of so many calls a longer pause: what a pass costs beside its rows is then shared by more of them.
BUSY, BUSY_S = 200, 0.25
TAKE_OVER_S = 0.5  # how soon a dead holder's lock is taken
RETRY_S = (0.25, 2.0)  # PostgreSQL is away: from, doubling to
KEEPER = "drain.keeper"  # locked by the process that drains and does nothing else
FRESH_S = 60.0  # a call older than this is in PostgreSQL, or the drain says that it is behind


class Drainer:
    """Takes the lock when it is free, then drains until it is stopped; as a stand-in only while no keeper is there."""

    def __init__(self, folder: Path, stop: threading.Event, *, stands_in: bool) -> None:
        self._folder, self._stop, self._stands_in = folder, stop, stands_in
        self.is_draining = False

    def run(self) -> None:
        while not self._stop.is_set():
            try:
                if not self._is_spared():
                    with held_lock(self._folder) as lock:
                        if lock is not None:
                            self.is_draining = True
                            self._drain(lock)
            except OSError as error:  # the data dir is gone or full: nothing can be drained until it is back
                log.warning("the spool cannot be drained: %s", error)
            except Exception:  # a defect here must not end the thread: the spool keeps what it could not write
                log.exception("draining the spool failed of a defect")
                connection.close()
            self.is_draining = False
            self._stop.wait(TAKE_OVER_S)

    def _drain(self, lock: int) -> None:
        wait_s, error = IDLE_S, ""
        while not (self._stop.wait(wait_s) or self._is_spared()):
            try:
                done = drain_folder(self._folder)
                wait_s, said = BUSY_S if done.calls >= BUSY else IDLE_S, ""
            except Error as away:
                connection.close()
                wait_s = min(max(wait_s * 2, RETRY_S[0]), RETRY_S[1])
                said = str(away).strip().partition("\n")[0] or type(away).__name__
            if said != error:
                error = said
                note(lock, error)
                log.warning("recording to the spool: %s", error) if error else log.info("the spool is drained again")
        connection.close()

    def _is_spared(self) -> bool:
        return self._stands_in and _has_keeper(self._folder)


def keep(stop: threading.Event, folder: Path | None = None) -> None:
    """Drain the host's spool in this thread until `stop`; those who stand in leave it to us meanwhile."""
    folder = folder or recorder.folder()
    with _kept(folder):
        Drainer(folder, stop, stands_in=False).run()


@contextlib.contextmanager
def _kept(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    fd = os.open(folder / KEEPER, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)  # shared: while one keeper follows another there are two
        yield
    finally:
        os.close(fd)


def _has_keeper(folder: Path) -> bool:
    try:
        with (folder / KEEPER).open("rb") as file:
            return not lock_if_orphan(file.fileno())
    except FileNotFoundError:
        return False


class _Background:
    """A stand-in in a thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stop = threading.Event()
        self.drainer = Drainer(folder, self._stop, stands_in=True)
        self._thread = threading.Thread(target=self.drainer.run, name="spool-drain", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=30)


_background: _Background | None = None


def start_background(folder: Path | None = None) -> None:
    """Have this process drain the host's spool whenever no other does. Twice is once."""
    global _background
    if _background is None:
        _background = _Background(folder or recorder.folder())


def stop_background(*, flush: bool = True) -> None:
    """Stop the thread. With `flush`, first write down all that this process recorded, if PostgreSQL is there."""
    global _background
    background, _background = _background, None
    if background is not None:
        background.stop()
    if flush:
        recorder.close()
        _flush(recorder.folder() if background is None else background.folder)


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
    global _background
    _background = None


os.register_at_fork(after_in_child=_after_fork)
