"""Real child processes for the tests of `serve` and `up`: started, watched, and killed at the end with all they started."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from cortex.supervisor import end_with_parent

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")


def until(condition: Callable[[], T], within_s: float = 30) -> T:
    """What `condition` returns, as soon as that is true."""
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


def descendants(pid: int) -> set[int]:
    """The living processes that `pid` started, and theirs."""
    parents: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            _, _, rest = status.read_text().rpartition(")")
            state, parent = rest.split()[:2]
            if state != "Z":
                parents[int(status.parent.name)] = int(parent)
    found: set[int] = set()
    waiting = {pid}
    while waiting:
        waiting = {child for child, parent in parents.items() if parent in waiting} - found
        found |= waiting
    return found


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def get(url: str) -> str:
    """The body, over a connection of its own, by no proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=30) as response:
        return str(response.read().decode())


class Managed:
    """`manage.py COMMAND …` as a process."""

    def __init__(self, *arguments: str, output: Path, env: dict[str, str | None] | None = None) -> None:
        environment: dict[str, str | None] = {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}
        self.output = output
        self.seen: set[int] = set()
        with output.open("w") as said:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                env={name: value for name, value in environment.items() if value is not None},
                preexec_fn=end_with_parent,  # no server outlives the tests, even those of a fixture that failed half-way
            )

    def said(self, text: str) -> str | None:
        """The first line of its output that contains `text`."""
        assert self.process.poll() is None or text in self.output.read_text(), self.output.read_text()
        return next((line for line in self.output.read_text().splitlines() if text in line), None)

    def family(self) -> set[int]:
        """Its living descendants, remembered for the clearing up."""
        found = descendants(self.process.pid)
        self.seen |= found
        return found

    def tell(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def exit_code(self, within_s: float = 40) -> int:
        return self.process.wait(within_s)

    def clear_up(self) -> None:
        self.family()
        for pid in (self.process.pid, *self.seen):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
