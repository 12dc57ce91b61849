"""A segment: one append-only file of checksummed lines that one process writes while it holds its flock.

A line is `crc32 json\n`: eight hex digits over the JSON, which holds no newline. Whoever else gets the lock knows that the owner is gone.
"""

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import secrets
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
SUFFIX = ".log"
_NO_FALLOCATE = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
_KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE: blocks beyond the end, which later appends use
_CHUNK_BYTES = 1024 * 1024
_fallocate = getattr(ctypes.CDLL(None, use_errno=True), "fallocate", None)


class Full(Exception):
    """The spool takes no other call: its disk is full, or cannot be written. Nothing was sent to any provider."""

    def __init__(self, folder: Path, error: int = errno.ENOSPC) -> None:
        super().__init__(f"The spool in {folder} cannot be written: {os.strerror(error)}.")


def line_of(payload: bytes) -> bytes:
    return b"%08x %b\n" % (zlib.crc32(payload), payload)


_ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder(dict[str, Any])


def read_line(line: bytes, decoder: "msgspec.json.Decoder[T]" = _ANY) -> T | None:
    """The JSON object of a line (without its newline); None when the line is torn or corrupt, or is not what `decoder` makes."""
    try:
        if int(line[:8], 16) != zlib.crc32(line[9:]) or line[8:9] != b" ":
            return None
        return _decoded(line[9:], decoder)
    except (ValueError, msgspec.ValidationError):
        return None


def _decoded(text: bytes, decoder: "msgspec.json.Decoder[T]") -> T:
    try:
        return decoder.decode(text)
    except msgspec.DecodeError:  # it does not take half a surrogate pair, which json does
        return msgspec.convert(json.loads(text), decoder.type)


class Segment:
    """The writing end. Not thread-safe: `recorder` holds a lock around it."""

    def __init__(self, folder: Path) -> None:
        self.path, self.fd = _create(folder)
        self.size = 0
        self.calls = 0  # started here and not finished
        self.promised = 0  # bytes kept free for the outcomes of those
        self._allocated = 0

    def promise(self, now: int, later: int) -> None:
        """See that `now` bytes can be written at once and `later` bytes whenever their time comes. Raises Full."""
        missing = self.size + self.promised + now + later - self._allocated
        if missing > 0:
            self._grow(missing)
        self.promised += later

    def _grow(self, missing: int) -> None:
        for extra in (max(missing, _CHUNK_BYTES), missing):
            error = _allocate(self.fd, self._allocated, extra)
            if error == 0:
                self._allocated += extra
                return
            if error in _NO_FALLOCATE:
                break
        else:
            raise Full(self.path.parent)
        disk = os.fstatvfs(self.fd)  # a file system that cannot keep room for us: the next best thing is to look
        if disk.f_bavail * disk.f_frsize < missing + _CHUNK_BYTES:
            raise Full(self.path.parent)

    def append(self, line: bytes) -> None:
        """Write a line whole or not at all. Raises Full."""
        try:
            written = os.write(self.fd, line)
        except OSError as error:
            raise Full(self.path.parent, error.errno or 0) from error
        if written != len(line):
            os.ftruncate(self.fd, self.size)
            raise Full(self.path.parent)
        self.size += written

    def close(self) -> None:
        """Give back the room that was kept and the lock. The drain takes over."""
        with contextlib.suppress(OSError):
            os.ftruncate(self.fd, self.size)
        # Said aloud: the background fsync may hold a duplicate, which would keep the lock for as long as the disk takes.
        fcntl.flock(self.fd, fcntl.LOCK_UN)
        os.close(self.fd)


def _allocate(fd: int, offset: int, length: int) -> int:
    """Reserve disk blocks beyond the end of a file; 0 or the errno."""
    if _fallocate is None:
        return errno.ENOSYS
    done = _fallocate(fd, _KEEP_SIZE, ctypes.c_longlong(offset), ctypes.c_longlong(length))
    return 0 if done == 0 else ctypes.get_errno()


def _create(folder: Path) -> tuple[Path, int]:
    """A new segment, locked before it bears the name that the drain looks for."""
    while True:
        path = folder / f"{time.time_ns() // 1_000_000:013d}-{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
        draft = path.with_suffix(".new")
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            fd = os.open(draft, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise Full(folder, error.errno or 0) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            draft.rename(path)
        except (BlockingIOError, FileNotFoundError):  # the drain took it for a dead one's draft
            os.close(fd)
        else:
            return path, fd


def lock_if_orphan(fd: int) -> bool:
    """Take the lock of a segment opened for reading, if its owner is gone."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def listed(folder: Path) -> list[Path]:
    """The segments of a folder, oldest first."""
    return sorted(path for path in _entries(folder) if path.suffix == SUFFIX)


def remove_drafts(folder: Path) -> None:
    """Delete what processes left that died between making a segment and naming it."""
    for path in _entries(folder):
        if path.suffix != ".new":
            continue
        with contextlib.suppress(FileNotFoundError), path.open("rb") as draft:
            if lock_if_orphan(draft.fileno()):
                path.unlink()


def _entries(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(FileNotFoundError):
        yield from folder.iterdir()
