"""No acknowledged call without its row: an intent line before the network, an outcome line before the answer.

Both go to a local segment by one plain write, so that they survive any death of the process; fsync follows in groups in the background, so that
power loss may cost the last tenth of a second. `routing.drain` turns lines into rows. An outcome line repeats its intent: each is enough for
its call, whatever happens to the others.
"""

import contextlib
import json
import os
import socket
import threading
import time
import weakref
from pathlib import Path
from uuid import UUID

import msgspec
from django.conf import settings

from routing.segments import Full, Segment, line_of
from routing.terms.record import AttemptRecord, Intent, Outcome

__all__ = ["Full", "Spool", "close", "fall_back", "finish", "folder", "in_flight", "start"]

SEGMENT_BYTES = 16 * 1024 * 1024  # after that a new one; small enough to be drained whole in seconds
SYNC_S = 0.1
# Room kept for an outcome beyond its intent: the call's own fields, and what each candidate may come to add.
_OUTCOME_BYTES = 4_096
_ATTEMPT_BYTES = 8_192


def folder() -> Path:
    """This host's spool. Hosts that share a data dir have one each."""
    return Path(settings.DATA_DIR) / "spool" / (socket.gethostname() or "localhost")


class Spool:
    """The segments of one process. `start` and `finish` may be called from any thread; a forked child begins its own."""

    def __init__(self, folder: Path | None = None, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._begin()
        _spools.add(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._current: Segment | None = None
        self._open: dict[UUID, tuple[Segment, bytes, int]] = {}
        self._unsynced: set[Segment] = set()
        self._wake = threading.Event()
        self._syncer: threading.Thread | None = None

    def start(self, intent: Intent) -> None:
        """Write down that a call is about to be made. Raises Full: then it must not be made."""
        payload = _encode(intent)
        line = line_of(b'{"intent":' + payload + b"}")
        later = len(payload) + _OUTCOME_BYTES + _ATTEMPT_BYTES * len(intent.candidates)
        with self._lock:
            segment = self._roomy_segment()
            segment.promise(len(line), later)
            try:
                segment.append(line)
            except Full:
                segment.promised -= later
                raise
            segment.calls += 1
            self._open[intent.id] = segment, payload, later
            self._unsynced.add(segment)
        self._sync_soon()

    def fall_back(self, call: UUID, tried: AttemptRecord, then: str) -> None:
        """Write down that an attempt failed and that "provider:model" `then` is called next.

        Without this line a process that dies during the second attempt would leave no trace of it.
        """
        line = line_of(_encode({"call": call, "tried": tried, "then": then}))
        with self._lock:
            self._held(call)[0].append(line)

    def finish(self, outcome: Outcome) -> None:
        """Write down how it ended. Raises LookupError for a call that this process did not start, or has finished."""
        told = _encode(outcome)
        with self._lock:
            segment, intent, later = self._held(outcome.id)
            line = line_of(b'{"intent":' + intent + b',"outcome":' + told + b"}")
            try:
                segment.append(line)
                self._unsynced.add(segment)
            except Full:  # more than was kept free, or kept in vain: any other segment will do
                self._current = Segment(segment.path.parent)
                self._current.append(line)
                self._unsynced.add(self._current)
            del self._open[outcome.id]
            segment.calls -= 1
            segment.promised -= later
            if segment is not self._current and not segment.calls:
                self._retire(segment)
        self._sync_soon()

    def _held(self, call: UUID) -> tuple[Segment, bytes, int]:
        try:
            return self._open[call]
        except KeyError:
            raise LookupError(f"Call {call} was not started by this process.") from None

    def _roomy_segment(self) -> Segment:
        """The segment that new calls go to. A full one stays open and locked until its last call has finished."""
        segment = self._current
        if segment is not None and segment.size < self._segment_bytes:
            return segment
        self._current = Segment(self._folder or folder())
        if segment is not None and not segment.calls:
            self._retire(segment)
        return self._current

    def _retire(self, segment: Segment) -> None:
        self._unsynced.discard(segment)
        with contextlib.suppress(OSError):
            os.fdatasync(segment.fd)
        segment.close()

    def in_flight(self) -> int:
        """Calls started and not finished."""
        return len(self._open)

    def close(self) -> None:
        """Let go of everything: at the end of a process, after its last call. What is still open becomes `unknown`."""
        with self._lock:
            for segment in self._segments():
                self._retire(segment)
            self._open.clear()
            self._current = None

    def _forget(self) -> None:
        """In a forked child: the segments are the parent's, whose lock lives on in its own descriptor."""
        for segment in self._segments():
            with contextlib.suppress(OSError):
                os.close(segment.fd)
        self._begin()

    def _segments(self) -> set[Segment]:
        held = {segment for segment, _, _ in self._open.values()}
        return held | {self._current} if self._current else held

    def _sync_soon(self) -> None:
        if self._syncer is None:
            self._syncer = threading.Thread(target=self._sync_forever, name="spool-sync", daemon=True)
            self._syncer.start()
        if not self._wake.is_set():
            self._wake.set()

    def _sync_forever(self) -> None:
        while self._wake.wait():
            time.sleep(SYNC_S)
            self._wake.clear()
            with self._lock:
                files = [os.dup(segment.fd) for segment in self._unsynced]
                self._unsynced.clear()
            for file in files:
                with contextlib.suppress(OSError):
                    os.fdatasync(file)
                os.close(file)


_encoder = msgspec.json.Encoder()


def _encode(value: object) -> bytes:
    """As JSON: datetimes as ISO 8601, UUIDs and Decimals as text. It holds no newline."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:  # half a surrogate pair, which a client may send and UTF-8 has no bytes for
        return json.dumps(msgspec.to_builtins(value), separators=(",", ":")).encode("ascii")


_spools: "weakref.WeakSet[Spool]" = weakref.WeakSet()


def _after_fork() -> None:
    for spool in _spools:
        spool._forget()


os.register_at_fork(after_in_child=_after_fork)

_spool = Spool()
start, fall_back, finish = _spool.start, _spool.fall_back, _spool.finish
in_flight, close = _spool.in_flight, _spool.close
