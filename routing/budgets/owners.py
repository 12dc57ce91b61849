"""Whose a lease is, and whether that process still lives.

A process that holds leases keeps a file locked for as long as it lives. Whoever shares its data dir can see by the lock that it is gone, and by
the spool that all it had recorded is in PostgreSQL; who does not must go by when it last touched its lease.
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
import time
from pathlib import Path

from django.conf import settings

from routing import recorder, segments

SUFFIX = ".lease"


def folder() -> Path:
    """Where the processes of this host that share the data dir keep their files."""
    return Path(settings.DATA_DIR) / "leases" / recorder.folder().name


def _place(here: Path) -> str:
    """A name for the folder that no other host and no other data dir has."""
    digest = hashlib.sha256(str(here.resolve()).encode()).hexdigest()[:12]
    return f"{here.name[:48]}@{digest}"


class Owner:
    """This process, as its leases name it. Raises OSError where no file can be made."""

    def __init__(self) -> None:
        here = folder()
        here.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{time.time_ns() // 1_000_000:013d}-{os.getpid()}-{secrets.token_hex(4)}"
        self._path = here / (name + SUFFIX)
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        self.name = f"{_place(here)}/{name}"

    def leave(self, *, owes: bool) -> None:
        """The process needs the name no more. Where it still owes, the file stays, so that others can see when that is settled."""
        if not owes:
            self._path.unlink(missing_ok=True)
        self.forget()

    def forget(self) -> None:
        os.close(self._fd)


def is_here(owner: str) -> bool:
    """Whether it is a process of this host and this data dir, whose end can be seen."""
    return owner.partition("/")[0] == _place(folder())


def is_gone(owner: str) -> bool:
    """Whether such a process is dead, and all that it recorded is drained: then its lease is free."""
    name = owner.partition("/")[2]
    path = folder() / (name + SUFFIX)
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        if not segments.lock_if_orphan(file.fileno()):
            return False
    return not _has_undrained(int(name.split("-")[1]))


def clear(owner: str) -> None:
    """Its leases are returned: nobody asks for the file any more."""
    (folder() / (owner.partition("/")[2] + SUFFIX)).unlink(missing_ok=True)


def _has_undrained(pid: int) -> bool:
    """Whether a segment of that process waits for the drain. Where another process has its number by now, its own segments are locked."""
    is_reused = _is_alive(pid)
    for path in segments.listed(recorder.folder()):
        if path.stem.split("-")[1] != str(pid):
            continue
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            if not is_reused or segments.lock_if_orphan(file.fileno()):
                return True
    return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
