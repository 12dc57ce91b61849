"""One pass over a host's spool: read what is new, write it in batches, remember how far, delete what is done."""

import contextlib
import io
import json
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from django.db import DataError, IntegrityError, connection, transaction
from msgspec.structs import asdict

from routing import budgets, recorder, rows
from routing.drain import lines
from routing.segments import listed, lock_if_orphan, read_line, remove_drafts

log = logging.getLogger(__name__)
BATCH_BYTES = 4 * 1024 * 1024
BEHIND_S = 2.0


@dataclass(slots=True)
class Drained:
    """What a pass did."""

    calls: int = 0  # rows written that were not there, or were `unknown`
    unknown: int = 0  # calls whose process died before their outcome
    bad: int = 0  # lines set aside
    segments: int = 0  # deleted, being drained for good


@dataclass(frozen=True, slots=True)
class SpoolStatus:
    folder: str
    segments: int
    pending_bytes: int  # written and not yet read by the drain
    lag_s: float  # since the drain last kept up, while something is pending; else 0
    bad_lines: int
    holder: int | None  # pid of the process that drains; None: nobody
    error: str  # why the last pass failed, "" when it did not

    @property
    def is_behind(self) -> bool:
        """Calls are recorded to the spool and not yet in PostgreSQL."""
        return self.lag_s > BEHIND_S


def host_folders(root: Path) -> list[Path]:
    """The spools under `root`: itself, or the hosts' folders in it."""
    folders = [root, *sorted(root.glob("*")), *sorted(root.glob("spool/*"))]
    return [folder for folder in folders if folder.is_dir() and (listed(folder) or (folder / "drain.lock").exists())]


@contextlib.contextmanager
def held_lock(folder: Path) -> Iterator[int | None]:
    """The right to drain `folder`, as an open file; None when another process has it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    fd = os.open(folder / "drain.lock", os.O_RDWR | os.O_CREAT, 0o600)
    _locks.add(fd)
    try:
        is_ours = lock_if_orphan(fd)
        if is_ours:
            note(fd, "")
        yield fd if is_ours else None
    finally:
        _locks.discard(fd)
        os.close(fd)


_locks: set[int] = set()


def _let_go() -> None:
    """In a forked child: only the parent's own descriptor shall keep its lock."""
    for fd in _locks:
        os.close(fd)
    _locks.clear()


os.register_at_fork(after_in_child=_let_go)


def note(fd: int, error: str) -> None:
    """Leave in the lock file who drains and what keeps it from doing so."""
    text = json.dumps({"pid": os.getpid(), "error": error}).encode()
    os.pwrite(fd, text, 0)
    os.ftruncate(fd, len(text))


def drain_folder(folder: Path) -> Drained:
    """Drain all that is there now. The caller holds the lock. Raises django.db.Error when PostgreSQL is away."""
    done = Drained()
    for path in listed(folder):
        with contextlib.suppress(FileNotFoundError), path.open("rb") as segment:
            _drain_segment(path, segment, done)
    remove_drafts(folder)
    os.utime(folder / "drain.lock")
    return done


def _drain_segment(path: Path, segment: BinaryIO, done: Drained) -> None:
    is_orphan = lock_if_orphan(segment.fileno())  # before reading: then the end that we read is the end
    offset = start = _offset(path)
    while True:
        segment.seek(offset)
        chunk = segment.read(BATCH_BYTES)
        whole = chunk[: chunk.rfind(b"\n") + 1] or (chunk if len(chunk) == BATCH_BYTES else b"")
        if not whole:
            break
        _write_batch(path, offset, whole, done)
        offset += len(whole)
    if is_orphan:
        if chunk:  # the owner died in the middle of a line
            _set_aside(path, offset, chunk, done)
        _write_unknown(path, segment, done)
        path.with_suffix(".at").unlink(missing_ok=True)
        path.unlink()
        done.segments += 1
    elif offset != start:
        path.with_suffix(".at").write_text(f"{offset:020d}")


def _offset(path: Path) -> int:
    """How far the segment is drained. Too little is harmless: rows are written once."""
    try:
        return int(path.with_suffix(".at").read_text())
    except (FileNotFoundError, ValueError):
        return 0


def _write_batch(path: Path, offset: int, chunk: bytes, done: Drained) -> None:
    """Write the outcomes among these lines. Intents wait: their outcome repeats them."""
    batch: list[tuple[int, bytes, lines.Rows]] = []
    for raw in io.BytesIO(chunk):
        line = read_line(raw.rstrip(b"\n"), lines.LINE)
        if line is None:
            _set_aside(path, offset, raw, done)
        elif line.outcome is not None:
            try:
                batch.append((offset, raw, lines.finished(line.intent, line.outcome)))
            except (AttributeError, TypeError, ValueError, ArithmeticError) as error:
                log.warning("spool line %s:%d is not a call: %r", path.name, offset, error)
                _set_aside(path, offset, raw, done)
        offset += len(raw)
    for at, raw in _written(batch, done):
        _set_aside(path, at, raw, done)


def _written(batch: list[tuple[int, bytes, lines.Rows]], done: Drained) -> list[tuple[int, bytes]]:
    """Write a batch; what PostgreSQL refuses for its values comes back, found by halving."""
    if not batch:
        return []
    try:
        done.calls += _write([call for _, _, call in batch])
    except (DataError, IntegrityError) as error:
        if len(batch) > 1:
            middle = len(batch) // 2
            return _written(batch[:middle], done) + _written(batch[middle:], done)
        log.warning("a spool line's values are refused: %s", error)
        return [(batch[0][0], batch[0][1])]
    return []


def _write(calls: list[lines.Rows]) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        attempts = [attempt for _, of_call in calls for attempt in of_call]
        written = rows.write(cursor, [call for call, _ in calls], attempts)
        budgets.book(written.costs)  # with the rows or not at all, and last: others wait for these rows
        return written.calls


def _write_unknown(path: Path, segment: BinaryIO, done: Drained) -> None:
    """The calls whose process died before their outcome."""
    started: dict[str, Any] = {}
    tried: dict[str, list[Any]] = {}
    segment.seek(0)
    for raw in segment:
        line = read_line(raw.rstrip(b"\n"), lines.LINE)
        if line is None:
            continue
        if line.tried is not None:
            tried.setdefault(line.call, []).append(line)
        elif line.outcome is not None:
            started.pop(line.outcome.id, None)
        elif line.intent is not None:
            started[line.intent.id] = line.intent
    batch = []
    for call, intent in started.items():
        with contextlib.suppress(AttributeError, TypeError, ValueError):
            batch.append((0, json.dumps(asdict(intent)).encode(), lines.unknown(intent, tried.get(call, []))))
    before = done.calls
    for _, raw in _written(batch, done):
        _set_aside(path, 0, raw, done)
    done.calls, done.unknown = before, done.unknown + done.calls - before


def _set_aside(path: Path, offset: int, raw: bytes, done: Drained) -> None:
    """Keep a line that cannot be a row, under a name that a second reading gives it again."""
    kept = path.parent.parent / "bad" / f"{path.parent.name}-{path.stem}-{offset}.line"
    kept.parent.mkdir(exist_ok=True, mode=0o700)
    kept.write_bytes(raw)
    done.bad += 1
    log.warning("spool line %s:%d is kept in %s", path.name, offset, kept)


def status(folder: Path | None = None) -> SpoolStatus:
    """What lies in this host's spool, and who drains it."""
    folder = folder or recorder.folder()
    pending, segments = 0, listed(folder)
    for path in segments:
        with contextlib.suppress(FileNotFoundError):
            pending += max(path.stat().st_size - _offset(path), 0)
    lock = folder / "drain.lock"
    return SpoolStatus(
        folder=str(folder),
        segments=len(segments),
        pending_bytes=pending,
        lag_s=max(time.time() - _last_pass(lock, segments), 0.0) if pending else 0.0,
        bad_lines=sum(1 for _ in folder.parent.glob(f"bad/{folder.name}-*.line")),
        **_holder(lock),
    )


def _last_pass(lock: Path, segments: list[Path]) -> float:
    try:
        return lock.stat().st_mtime
    except FileNotFoundError:  # never drained: since the first segment was made
        return int(segments[0].name.partition("-")[0]) / 1000 if segments else time.time()


def _holder(lock: Path) -> dict[str, Any]:
    try:
        with lock.open("rb") as file:
            if lock_if_orphan(file.fileno()):
                return {"holder": None, "error": ""}
            told = json.loads(file.read() or b"{}")
    except (FileNotFoundError, ValueError):
        return {"holder": None, "error": ""}
    return {"holder": told.get("pid"), "error": told.get("error", "")}
