"""The trial database: a PostgreSQL server of our own under the data dir, for who has none.

    <data dir>/pg.json             names the folder of the cluster
    <data dir>/postgres/           that folder: data/ (the cluster), run/ (its socket), server.log, two locks
    /var/lib/cortex/<hash>/        that folder instead, when the server's account cannot reach the data dir
                                   (root starts it as an unprivileged user, and the clone lies in root's home)

Every process that uses the server holds a shared lock on users.lock for as long as it lives, so a `kill -9` lets go of it too.
Starting and stopping happen under start.lock, one at a time; who leaves and finds no other user stops the server. A server
whose last user was killed therefore runs on until the next user leaves. The server listens on a socket in a private folder
and on no port. Standard library only: settings need it before Django exists.
"""

import atexit
import contextlib
import errno
import fcntl
import hashlib
import json
import logging
import os
import shlex
import shutil
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from cortex import postgres
from cortex.postgres import Account, Binaries, PostgresError

USER = DATABASE = "cortex"
SOCKET = ".s.PGSQL.5432"
SOCKET_PATH_LIMIT = 103  # sun_path of the strictest system, macOS; Linux has 107
SYSTEM_DIR = Path("/var/lib/cortex")
ROOM_BYTES = 200 * 1024 * 1024  # a new cluster is 40 MB, its write-ahead log grows from there
PATIENCE_S = 30.0  # for a server that another program is starting or stopping

CONFIGURATION = """
# Cortex's trial database: reached through a socket in a private folder, by no port.
listen_addresses = ''
unix_socket_permissions = 0700
wal_level = minimal
max_wal_senders = 0
jit = off
log_checkpoints = off
# Values of a failed statement may be somebody's prompt: they do not go to disk.
log_min_error_statement = panic
log_error_verbosity = terse
"""

logger = logging.getLogger("cortex.trial")
_held: dict[
    Path, str
] = {}  # data dirs whose users.lock this process (or the parent it was forked from) holds, with their URL


class TrialError(Exception):
    """Why there is no trial database, and what to do, in one sentence."""


def database_url(data_dir: Path) -> str:
    """The URL of the data dir's running trial server, started if need be and held until this process ends.

    A forked child shares its parent's hold. A started one should inherit DATABASE_URL, and end before its parent does.
    Raises TrialError.
    """
    data_dir = data_dir.resolve()
    if data_dir not in _held:
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            cluster = _locate(data_dir)
            lock = _join(cluster)
            _note(data_dir, cluster)
        except (PostgresError, OSError) as error:
            raise TrialError(_sentence(error, data_dir)) from error
        _held[data_dir] = f"postgres://{USER}@/{DATABASE}?host={quote(str(cluster.socket.parent), safe='')}"
        atexit.register(_leave, cluster, lock, os.getpid())
    return _held[data_dir]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where one trial server keeps what it has, and who runs it."""

    folder: Path
    account: Account

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def socket(self) -> Path:
        """Its socket; in /tmp when the path would be longer than a socket's address can be."""
        near = self.folder / "run" / SOCKET
        if len(os.fsencode(near)) <= SOCKET_PATH_LIMIT:
            return near
        return Path("/tmp", f"cortex-{self.account.uid}-{_hash(self.folder)}", SOCKET)  # noqa: S108 - checked in _private

    def make(self) -> None:
        """Make the folder, private to the account. One that is there already stays as it is."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            self.folder.mkdir(mode=0o700)
            self.account.owns(self.folder)

    def binaries(self) -> Binaries:
        """The programs of the cluster's own major version; before there is a cluster, the machine's newest."""
        version = self.data / "PG_VERSION"
        major = int(version.read_text()) if version.exists() else None
        return postgres.find(self.account, self.folder, major=major)

    def run(self, binaries: Binaries, program: str, *arguments: str, stdin: str = "") -> str:
        return binaries.run(program, *arguments, account=self.account, cwd=self.folder, stdin=stdin)


def _locate(data_dir: Path) -> Cluster:
    """The cluster that pg.json names, else where a new one belongs. Raises TrialError when the named one is gone."""
    note = data_dir / "pg.json"
    inside = data_dir / "postgres"
    if note.exists():
        folder = data_dir / _named_in(note)
        if not (folder / "data" / "PG_VERSION").exists():
            raise TrialError(
                f"The trial database that {note} names, {folder}, is gone: restore it, or delete {note} to begin anew."
            )
        return Cluster(folder, postgres.account_of(folder, data_dir))
    if inside.exists():
        return Cluster(inside, postgres.account_of(inside, data_dir))
    account = postgres.account_of(data_dir)
    reachable = account.enters(data_dir)
    return Cluster(inside if reachable else SYSTEM_DIR / _hash(data_dir), account)


def _named_in(note: Path) -> str:
    try:
        return str(json.loads(note.read_text())["cluster"])
    except (ValueError, KeyError, TypeError) as error:
        raise TrialError(f"{note} does not name a cluster: delete it if no server of this data dir runs.") from error


def _note(data_dir: Path, cluster: Cluster) -> None:
    """Write pg.json, once the cluster is there. A path inside the data dir is relative, so that the data dir may be moved."""
    note = data_dir / "pg.json"
    if not note.exists():
        inside = cluster.folder.is_relative_to(data_dir)
        draft = note.with_name(f"pg.json.{os.getpid()}")
        draft.write_text(
            json.dumps({"cluster": str(cluster.folder.relative_to(data_dir) if inside else cluster.folder)}) + "\n"
        )
        draft.replace(note)


def _join(cluster: Cluster) -> int:
    """Become a user of the server, after starting it if it does not run. Returns the file that holds the shared lock."""
    cluster.make()
    with _locked(cluster):
        users = _open_lock(cluster, "users.lock")
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            if not postgres.answers(cluster.socket, USER) and not _answers_in_time(cluster):
                _start(cluster)
        except BaseException:
            os.close(users)
            raise
    return users


def _leave(cluster: Cluster, lock: int, pid: int) -> None:
    """Stop being a user; the last one stops the server. Does nothing in a forked child: the hold is its parent's."""
    if os.getpid() != pid:
        return
    os.close(lock)
    try:
        with _locked(cluster):
            users = _open_lock(cluster, "users.lock")
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if (cluster.data / "postmaster.pid").exists():
                    cluster.run(cluster.binaries(), "pg_ctl", "stop", "-s", "-m", "fast", "-D", str(cluster.data))
            except BlockingIOError:
                pass  # somebody else uses it
            finally:
                os.close(users)
    except FileNotFoundError:
        pass  # the data dir was deleted under the server, which ends by itself when it notices
    except (OSError, PostgresError) as error:
        logger.warning("The trial database in %s did not stop: %s", cluster.folder, error)


@contextlib.contextmanager
def _locked(cluster: Cluster) -> Iterator[None]:
    """Alone in starting and stopping this server."""
    lock = _open_lock(cluster, "start.lock")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _open_lock(cluster: Cluster, name: str) -> int:
    path = cluster.folder / name
    is_new = not path.exists()
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if is_new:
        cluster.account.owns(path)
    return lock


def _start(cluster: Cluster) -> None:
    """Start the server, with a new cluster if there is none, and wait until it answers."""
    binaries = cluster.binaries()
    if not cluster.data.exists():
        _create(cluster, binaries)
    folder = cluster.socket.parent
    _private(folder, cluster.account)
    seen = cluster.log.stat().st_size if cluster.log.exists() else 0
    options = ("-D", str(cluster.data), "-l", str(cluster.log), "-o", f"-k {shlex.quote(str(folder))}")
    try:
        cluster.run(binaries, "pg_ctl", "start", "-s", "-w", "-t", "60", *options)
    except PostgresError as error:
        said = cluster.log.read_bytes()[seen:].decode(errors="replace") if cluster.log.exists() else ""
        raise PostgresError(f"{postgres.telling_line(said or str(error))} (see {cluster.log})") from error


def _create(cluster: Cluster, binaries: Binaries) -> None:
    """Make a cluster with our database in it, whole or not at all."""
    if shutil.disk_usage(cluster.folder).free < ROOM_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(cluster.folder))
    unfinished = cluster.folder / "data.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    locale = f"--locale={postgres.locale()}"
    cluster.run(binaries, "initdb", "-D", str(unfinished), "-U", USER, "-E", "UTF8", locale, "-A", "trust")
    with (unfinished / "postgresql.conf").open("a") as configuration:
        configuration.write(CONFIGURATION)
    sql = f"CREATE DATABASE {DATABASE}\n"
    cluster.run(binaries, "postgres", "--single", "-D", str(unfinished), "postgres", stdin=sql)
    unfinished.rename(cluster.data)


def _private(folder: Path, account: Account) -> None:
    """Make the socket's folder, or see that the one there is the account's alone: in /tmp anybody may have made it."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        account.owns(folder)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != account.uid or found.st_mode & 0o077:
        raise PostgresError(f"{folder} is not a private folder of {account.name}: delete it")


def _answers_in_time(cluster: Cluster) -> bool:
    """Wait for a server that is just starting or stopping. False when none is left; a stale pid file is then out of the way."""
    deadline = time.monotonic() + PATIENCE_S
    pid_file = cluster.data / "postmaster.pid"
    while holders := postgres.processes_in(cluster.data):
        if postgres.answers(cluster.socket, USER):
            return True
        if time.monotonic() > deadline:
            raise PostgresError(
                f"process {holders[0]} holds {cluster.data} and does not answer: stop it with kill {holders[0]}"
            )
        time.sleep(0.05)
    if pid_file.exists() and Path("/proc/self/cwd").exists():
        # PostgreSQL does not start when any process of its user bears the number in these files, as after a reboot.
        pid_file.unlink()
        cluster.socket.with_name(SOCKET + ".lock").unlink(missing_ok=True)
        logger.warning("Removed %s, left by a server that did not stop in order; PostgreSQL recovers.", pid_file)
    return False


def _sentence(error: PostgresError | OSError, data_dir: Path) -> str:
    path = getattr(error, "filename", None) or data_dir
    if getattr(error, "errno", 0) in (errno.ENOSPC, errno.EDQUOT) or os.strerror(errno.ENOSPC) in str(error):
        return (
            f"The disk that holds {path} is full: make room there, or set CORTEX_DATA_DIR to a folder on another one."
        )
    if isinstance(error, PostgresError):
        return f"The trial database in {data_dir} did not start: {error}."
    return (
        f"Cannot use the data directory {data_dir}: {error.strerror} ({path}). Make it yours, or set CORTEX_DATA_DIR."
    )


def _hash(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
