"""The supervisor keeps what can live alive, gives up on what cannot, and leaves nothing behind."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cortex.supervisor import READY_FD, Child, Supervisor
from tests.cortex.processes import is_alive, until

SAYS_READY = "from cortex.supervisor import say_ready; say_ready(); "


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    with Supervisor() as made:
        yield made


def python(code: str, *, says_ready: bool = True, grace_s: float = 10.0) -> Child:
    return Child(
        "worker",
        (sys.executable, "-c", (SAYS_READY if says_ready else "") + code),
        says_ready=says_ready,
        grace_s=grace_s,
    )


def test_a_child_that_was_never_ready_ends_everything(supervisor: Supervisor, caplog: pytest.LogCaptureFixture) -> None:
    supervisor.start(python("raise SystemExit(7)", says_ready=False))
    assert supervisor.run() == 1
    assert "worker ended with exit code 7 before it was ready; stopping." in caplog.text


def test_a_child_that_was_ready_is_started_again_each_time(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(python(f"open({str(tmp_path / 'lives')!r}, 'a').write('x')"))

    def three_lives() -> bool:
        supervisor.step(0.1)
        return len((tmp_path / "lives").read_text()) >= 3 if (tmp_path / "lives").exists() else False

    until(three_lives)


def test_a_child_that_does_not_listen_is_killed_after_its_grace(supervisor: Supervisor) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SAYS_READY + "time.sleep(60)"
    running = supervisor.start(Child("deaf", (sys.executable, "-c", deaf), says_ready=True, grace_s=0.1))
    until(lambda: supervisor.step(0.1) or running.is_ready)
    supervisor.stop()
    assert running.process.returncode == -signal.SIGKILL


def test_what_a_killed_child_leaves_behind_goes_with_it(supervisor: Supervisor, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    leaves = f"sleep 60 & echo $! > {pid_file}.new; mv {pid_file}.new {pid_file}; wait"
    running = supervisor.start(Child("parent", ("/bin/sh", "-c", leaves)))
    until(pid_file.exists)
    grandchild = int(pid_file.read_text())
    running.process.kill()
    until(lambda: supervisor.step(0.1) or not is_alive(grandchild))


def test_a_signal_stops_the_children_and_is_no_failure(supervisor: Supervisor) -> None:
    closed: list[bool] = []
    supervisor.at_stop = lambda: closed.append(True)
    running = supervisor.start(python("import time; time.sleep(60)"))
    until(lambda: supervisor.step(0.1) or running.is_ready)
    os.kill(os.getpid(), signal.SIGTERM)
    assert supervisor.run() == 0
    assert running.process.returncode == -signal.SIGTERM
    assert closed == [True]


def test_a_replacement_that_cannot_start_leaves_the_old_one_in_place(tmp_path: Path) -> None:
    once = f"import os, sys, time; first = not os.path.exists({str(tmp_path)!r} + '/first'); open({str(tmp_path)!r} + '/first', 'w')\n"
    once += f"if not first: sys.exit(3)\n{SAYS_READY}\ntime.sleep(60)"
    with Supervisor(renews=True) as supervisor:
        old = supervisor.start(Child("worker", (sys.executable, "-c", once), says_ready=True))
        until(lambda: supervisor.step(0.1) or old.is_ready)
        supervisor._renew()
        supervisor.step(0.1)
        assert old.is_kept
        assert [each.process.pid for each in supervisor._running] == [old.process.pid]
    assert READY_FD not in os.environ
