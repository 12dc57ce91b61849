"""Whose call it is: each process that runs keyed calls holds the lock of one file, which the kernel takes from it however it dies."""

import contextlib
import os
import socket
import threading
from pathlib import Path

from django.conf import settings

from routing.segments import Segment, listed, lock_if_orphan, remove_drafts

_lock = threading.Lock()
_held: Segment | None = None


def _folder() -> Path:
    return Path(settings.DATA_DIR) / "claims" / "owners"


def host() -> str:
    return socket.gethostname() or "localhost"


def this_process() -> str:
    """ "host/file", the file locked from the first time on. Raises segments.Full where it cannot be made."""
    global _held
    with _lock:
        if _held is None or not _held.path.exists():
            _held = Segment(_folder())
        return f"{host()}/{_held.path.name}"


def is_gone(owner: str) -> bool | None:
    """Whether the process is dead; None when that cannot be told from here."""
    place, _, name = owner.partition("/")
    path = _folder() / (Path(name).name or "nobody")
    try:
        with path.open("rb") as file:
            return lock_if_orphan(file.fileno())
    except FileNotFoundError:
        return True if settings.SINGLE_HOST or place == host() else None


def clear() -> None:
    """Delete the files of the dead: one that is not there is as good as one that nobody holds."""
    for path in listed(_folder()):
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            if lock_if_orphan(file.fileno()):
                path.unlink()
    remove_drafts(_folder())


def let_go() -> None:
    """At the end of a process."""
    global _held
    with _lock:
        held, _held = _held, None
    if held is not None:
        held.close()
        held.path.unlink(missing_ok=True)


def _after_fork() -> None:
    """A child has no part in its parent's calls, and must not keep its lock."""
    global _held
    held, _held = _held, None
    if held is not None:
        with contextlib.suppress(OSError):
            os.close(held.fd)


os.register_at_fork(after_in_child=_after_fork)
