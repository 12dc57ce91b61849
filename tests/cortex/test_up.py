"""`manage.py up`, as `make run` calls it: from an empty data dir to a served console, and nothing left behind."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cortex import postgres
from tests.cortex.processes import ROOT, Managed, get, is_alive, until

Up = Callable[..., Managed]


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """Empty for the first test of a process, warm for the others: each holds either way."""
    made = Path(tempfile.mkdtemp(prefix="cortex-up-", dir="/tmp"))
    made.chmod(0o755)
    yield made
    for pid in postgres.processes_in(made / "postgres/data"):
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(made)


@pytest.fixture
def trial_env(data_dir: Path) -> dict[str, str | None]:
    """As on a machine without any setting of ours."""
    unset = ("DATABASE_URL", "CORTEX_TRIAL", "CORTEX_SECRET_KEY", "CORTEX_ENCRYPTION_KEYS", "CELERY_BROKER_URL")
    return {"CORTEX_DATA_DIR": str(data_dir), **dict.fromkeys(unset)}


@pytest.fixture
def up(trial_env: dict[str, str | None], tmp_path: Path) -> Iterator[Up]:
    """Run `up` on any free port, and return it when it has said all it says."""
    started: list[Managed] = []

    def start(*arguments: str) -> Managed:
        output = tmp_path / f"output{len(started)}"
        started.append(
            Managed("up", "--bind", "127.0.0.1:0", "--workers", "1", *arguments, output=output, env=trial_env)
        )
        until(lambda: started[-1].said("Ctrl-C stops everything."), within_s=90)
        return started[-1]

    yield start
    for each in started:
        each.clear_up()


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def part(up: Managed, words: str) -> int | None:
    return next((pid for pid in sorted(up.family()) if words in command_of(pid)), None)


def test_a_newcomer_gets_an_address_a_log_in_and_a_first_answer(up: Up, data_dir: Path) -> None:
    first = up()
    output = first.output.read_text()
    url = re.search(r"Cortex is at (http://127\.0\.0\.1:\d+/)", output)
    assert url
    assert "ok" in get(f"{url[1]}healthz").lower()
    assert re.search(r"A first dispatch of quick_capture went to anthropic:haiku .* “.+”", output)
    password = re.search(r"Log in as admin with the password (\S+)", output)
    assert password
    for kept in ("admin_password", "first_key"):
        assert (data_dir / "secrets" / kept).stat().st_mode & 0o777 == 0o600
    family = first.family()
    assert all(part(first, words) for words in ("cortex.worker", "worker --loglevel", "beat --loglevel"))

    first.tell(signal.SIGINT)
    assert first.exit_code() == 0
    assert not any(map(is_alive, family))
    assert postgres.processes_in(data_dir / "postgres/data") == []

    assert f"Log in as admin with the password {password[1]}" in up().output.read_text()


def test_a_killed_worker_is_started_again_and_none_outlives_a_killed_up(up: Up) -> None:
    running = up()
    worker = until(lambda: part(running, "worker --loglevel"))
    os.kill(worker, signal.SIGKILL)
    until(lambda: running.said("celery worker") and (part(running, "worker --loglevel") or worker) != worker)
    family = running.family()
    running.tell(signal.SIGKILL)
    running.process.wait()
    until(lambda: not any(map(is_alive, family)), within_s=40)


def test_ctrl_c_in_make_leaves_nothing_behind(trial_env: dict[str, str | None], data_dir: Path, tmp_path: Path) -> None:
    with (tmp_path / "output").open("w") as said:
        make = subprocess.Popen(
            ["make", "-o", ".venv/installed", f"PYTHON={sys.executable}", "BIND=127.0.0.1:0", "WORKERS=1", "run"],
            cwd=ROOT,
            env={name: value for name, value in {**os.environ, **trial_env}.items() if value is not None},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
    running = Managed.__new__(Managed)
    running.process, running.output, running.seen = make, tmp_path / "output", set()
    try:
        until(lambda: running.said("Ctrl-C stops everything."), within_s=90)
        family = running.family()
        os.killpg(make.pid, signal.SIGINT)  # as a terminal does
        make.wait(40)
        assert not any(map(is_alive, family))
        assert postgres.processes_in(data_dir / "postgres/data") == []
    finally:
        running.clear_up()


def test_a_busy_port_is_one_sentence_and_nothing_is_made(trial_env: dict[str, str | None], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        up = Managed("up", "--bind", f"127.0.0.1:{port}", output=tmp_path / "output", env=trial_env)
        assert up.exit_code() == 1
    assert up.output.read_text() == (
        f"CommandError: Port {port} on 127.0.0.1 is busy: stop who listens there, or choose another.\n"
    )
