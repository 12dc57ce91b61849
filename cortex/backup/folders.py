"""What of the data dir is nowhere else: calls that wait in the spool for PostgreSQL, and claims that it could not be told of.

All else there is made anew (static files, the schedule, locks of processes), is the broker's (messages name ids alone, and are sent again), is in
the database, or must not lie beside it (`secrets/`).
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from django.conf import settings

from routing import recorder

SEGMENT = re.compile(r"spool/[^/]+/([0-9]+-[0-9]+-[0-9a-f]+\.log)")
BAD = re.compile(r"spool/bad/([^/]+\.line)")
CLAIM = re.compile(r"claims/apart/([0-9a-f]+)")


def found() -> Iterator[tuple[str, Path]]:
    """Names, relative to the data dir, and files. Of every host that shares it.

    What the drain sets aside of a segment is looked for when all segments have been given: it lies there before the segment goes.
    """
    root = Path(settings.DATA_DIR)
    for pattern in ("spool/*/*.log", "spool/bad/*", "claims/apart/*"):
        for path in sorted(root.glob(pattern)):
            name = path.relative_to(root).as_posix()
            if any(kind.fullmatch(name) for kind in (SEGMENT, BAD, CLAIM)):
                yield name, path


def read(name: str, path: Path) -> tuple[bytes, float] | None:
    """The file's bytes and when it was written; None when it has gone to PostgreSQL meanwhile. Of a segment whole lines alone."""
    try:
        content, at = path.read_bytes(), path.stat().st_mtime
    except FileNotFoundError:
        return None
    return (content[: content.rfind(b"\n") + 1] if SEGMENT.fullmatch(name) else content), at


def place(name: str) -> Path | None:
    """Where a file of that name belongs: other hosts' segments into this host's spool. None when it belongs nowhere."""
    root = Path(settings.DATA_DIR)
    folders: Mapping[re.Pattern[str], Path] = {
        BAD: root / "spool" / "bad",
        SEGMENT: recorder.folder(),
        CLAIM: root / "claims" / "apart",
    }
    for kind, folder in folders.items():
        if match := kind.fullmatch(name):
            return folder / match[1]
    return None


def write(path: Path, content: bytes, at: float) -> None:
    """Write the file whole, for its owner alone. One that is there stays: it is the same, and perhaps grown since."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.restored")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.utime(draft, (at, at))
    draft.rename(path)
