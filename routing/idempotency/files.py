"""Claims in the data dir: marks, which say on one host that a key is taken, and what PostgreSQL could not be told yet.

A file appears whole and on disk, under its final name, or not at all. What cannot be written raises OSError.
"""

import contextlib
import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from routing.idempotency.claim import KEPT, Claim, Name, read


def _root() -> Path:
    return Path(settings.DATA_DIR) / "claims"


def _mark(name: Name) -> Path:
    return _root() / "taken" / name.digest[:2] / name.digest


def _apart(name: Name) -> Path:
    return _root() / "apart" / name.digest


def mark(claim: Claim) -> Claim | None:
    """Mark the key as taken; None when that was done, else whose it is."""
    path, draft = _mark(claim.name), _draft(claim)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        while True:
            try:
                os.link(draft, path)  # O_EXCL, and whole
            except FileExistsError:
                if not _drop_expired(path, timezone.now()) and (found := _found(path)) is not None:
                    return found
            else:
                sync_folder(path.parent)
                return None
    finally:
        draft.unlink(missing_ok=True)


def unmark(name: Name) -> None:
    _mark(name).unlink(missing_ok=True)


def set_apart(claim: Claim) -> None:
    """Keep what is to be told to PostgreSQL. It counts for more than the row."""
    path, draft = _apart(claim.name), _draft(claim)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft.replace(path)
    sync_folder(path.parent)


def apart(name: Name) -> Claim | None:
    return _found(_apart(name))


def all_apart() -> Iterator[Claim]:
    with contextlib.suppress(FileNotFoundError):
        for path in (_root() / "apart").iterdir():
            with contextlib.suppress(OSError):  # one that cannot be read keeps no other waiting
                if (found := _found(path)) is not None:
                    yield found


def forget_apart(name: Name) -> bool:
    """PostgreSQL knows it now; False when another process was first."""
    try:
        _apart(name).unlink()
    except FileNotFoundError:
        return False
    return True


def purge(now: datetime) -> None:
    """Delete the marks whose day is over, what nobody could be told of in a day, and drafts that their process left behind."""
    for pattern in ("taken/*/*", "apart/*", "new/*"):
        for path in _root().glob(pattern):
            _drop_expired(path, now)


def _drop_expired(path: Path, now: datetime) -> bool:
    """Whether it is gone. By one process at a time: what is deleted is what was found expired, and not the mark that took its place."""
    if not _is_over(path, now):
        return False
    with (_root() / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_over(path, now):
            return False
        path.unlink(missing_ok=True)
    return True


def _is_over(path: Path, now: datetime) -> bool:
    try:
        return path.stat().st_mtime <= (now - KEPT).timestamp()
    except FileNotFoundError:
        return False


def _found(path: Path) -> Claim | None:
    """Raises OSError for a file that is no claim: whose key it holds nobody knows, so nobody may have it."""
    try:
        found = read(path.read_bytes())
    except FileNotFoundError:
        return None
    if found is None:
        raise OSError(errno.EIO, "not a claim", str(path))
    return found


def _draft(claim: Claim) -> Path:
    folder = _root() / "new"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / secrets.token_hex(16)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        try:
            file.write(claim.as_json())
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            path.unlink(missing_ok=True)
            raise
    return path


def sync_folder(folder: Path) -> None:
    """So that the names in it outlive a loss of power."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
