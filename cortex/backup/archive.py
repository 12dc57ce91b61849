"""The file itself: members with their checksums, the manifest that lists them, and the seal over it."""

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from django.conf import settings

from routing.idempotency.files import sync_folder
from routing.secrets import seals

FORMAT = "cortex backup 1"
MANIFEST, SEAL = "manifest.json", "seal"
PURPOSE = "backup"  # of the key that seals, derived from an encryption key
LEVEL = 1  # zlib's fastest: rows shrink to an eighth with it, and to a ninth with six times the work
CHUNK_BYTES = 256 * 1024
MANIFEST_BYTES = 64 * 1024 * 1024  # no manifest of ours is larger

SHAPE = {"members": dict, "tables": dict, "migrations": list, "months": list, "sequences": list, "made_at": str}


class BackupError(Exception):
    """Why there is no backup, or nothing was restored, and what to do."""


class Writer:
    """A backup in the making. It bears its name when it is whole and on disk; until then it is a draft, deleted where that fails.

    Raises BackupError when there is a file of the name, OSError when the disk does not take it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        self._members: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Self:
        self._refuse_if_there()
        self._file = open(os.open(self._draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL)
        return self

    def _refuse_if_there(self) -> None:
        if self._path.exists():
            raise BackupError(f"{self._path} is there already: name another file, or move that one away.")

    def _publish(self) -> None:
        """Give the draft its name, and never that of a file that came meanwhile: a rename would take its place."""
        try:
            os.link(self._draft, self._path)
        except FileExistsError:
            self._refuse_if_there()
            raise
        except OSError:  # a file system without hard links: the next best thing is to look
            self._refuse_if_there()
            self._draft.rename(self._path)

    def add(self, name: str, parts: Iterable[bytes | memoryview], **told: Any) -> None:
        """A member of these bytes; the manifest tells their number, their SHA-256, and what else is `told`."""
        digest, size = hashlib.sha256(), 0
        with self._zip.open(name, "w", force_zip64=True) as member:
            for part in _gathered(parts):
                member.write(part)
                digest.update(part)
                size += len(part)
        self._members[name] = {"bytes": size, "sha256": digest.hexdigest(), **told}

    def finish(self, **told: Any) -> int:
        """Write the manifest, seal it, and give the file its name. Returns its size in bytes."""
        manifest = json.dumps({"format": FORMAT, **told, "members": self._members}, indent=1)
        self._zip.writestr(MANIFEST, manifest)
        self._zip.writestr(SEAL, seals(manifest, PURPOSE)[0])
        self._zip.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        size = self._file.tell()
        self._file.close()
        self._publish()
        sync_folder(self._path.parent)
        return size

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._zip.fp = None  # else it would write its end into the closed file when it is collected
        self._draft.unlink(missing_ok=True)


def _gathered(parts: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """The same bytes in chunks: COPY hands over a row at a time."""
    held = bytearray()
    for part in parts:
        held += part
        if len(held) >= CHUNK_BYTES:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


class Reader:
    """A backup that was found whole: every byte of it was read once, and fits its checksum."""

    def __init__(self, file: zipfile.ZipFile, manifest: dict[str, Any]) -> None:
        self._zip = file
        self.manifest = manifest
        self.members: dict[str, dict[str, Any]] = manifest["members"]

    def open(self, name: str) -> IO[bytes]:
        return self._zip.open(name)


@contextlib.contextmanager
def reading(path: Path, *, without_keys: bool = False) -> Iterator[Reader]:
    """Open a backup. Raises BackupError for a file that is none, that is damaged, or that none of our keys sealed."""
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(zipfile.ZipFile(path))
            text = _text(file, MANIFEST, path)
            manifest = _manifest(text, path)
            if not without_keys and not _is_seal(_text(file, SEAL, path), text):
                raise BackupError(
                    f"{path} was sealed under none of CORTEX_ENCRYPTION_KEYS. Set the keys of the Cortex that it was made of. A trial keeps them in"
                    f" secrets/encryption_keys of its data dir: copy that file into {settings.DATA_DIR / 'secrets'}. If they are lost,"
                    " --without-keys restores all but what they open."
                )
            _check(file, manifest["members"], path)
        except OSError as error:
            raise BackupError(f"{path} cannot be read: {error.strerror or error}.") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise _no_backup(path) from error
        yield Reader(file, manifest)


def _no_backup(path: Path) -> BackupError:
    with path.open("rb") as file:
        is_zip = file.read(4) == b"PK\x03\x04"
    return _damaged(path) if is_zip else _foreign(path)


def _foreign(path: Path) -> BackupError:
    return BackupError(f"{path} is no backup of Cortex: name a file that `manage.py backup` made.")


def _damaged(path: Path) -> BackupError:
    return BackupError(f"{path} is damaged or not whole: take another backup, or another copy of this one.")


def _text(file: zipfile.ZipFile, name: str, path: Path) -> str:
    try:
        found = file.getinfo(name)
    except KeyError:
        raise _foreign(path) from None
    if found.file_size > MANIFEST_BYTES:
        raise _foreign(path)
    try:
        return file.read(found).decode()
    except UnicodeDecodeError:
        raise _damaged(path) from None


def _manifest(text: str, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        raise _foreign(path) from None
    form = found.get("format") if isinstance(found, dict) else None
    if not isinstance(form, str) or not form.startswith("cortex backup "):
        raise _foreign(path)
    if form != FORMAT:
        raise BackupError(f"{path} is a {form!r}, which this version does not read: restore it with the newest Cortex.")
    if any(not isinstance(found.get(name), kind) for name, kind in SHAPE.items()):
        raise _damaged(path)
    return dict(found)


def _is_seal(seal: str, text: str) -> bool:
    return any(hmac.compare_digest(seal.encode(), each.encode()) for each in seals(text, PURPOSE))


def _check(file: zipfile.ZipFile, members: dict[str, dict[str, Any]], path: Path) -> None:
    if sorted(file.namelist()) != sorted((*members, MANIFEST, SEAL)):
        raise _damaged(path)
    for name, told in members.items():
        digest = hashlib.sha256()
        with file.open(name) as member:
            while part := member.read(CHUNK_BYTES):
                digest.update(part)
        if digest.hexdigest() != told["sha256"]:
            raise _damaged(path)
