"""kill -9 under load: no acknowledged call without its row, none twice, and no provider call without an attempt."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from routing import drain
from routing.models import Attempt, Call, WorkItem
from routing.segments import listed

pytestmark = pytest.mark.django_db
ANSWERS = 150  # of a worker before it is killed


def killed(folder: Path) -> tuple[set[UUID], set[UUID]]:
    """Let a worker record calls, kill it in the middle, and give the ids that reached the provider and those that were answered."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.worker", str(folder)],
        stdout=subprocess.PIPE,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "cortex.settings"},
        text=True,
    ) as worker:
        assert worker.stdout is not None
        said = [worker.stdout.readline() for _ in range(2 * ANSWERS)]
        with drain.held_lock(folder) as lock:  # the drain reads while the worker writes and dies
            assert lock is not None
            drain.drain_folder(folder)
        worker.send_signal(signal.SIGKILL)
        said += worker.stdout.read().splitlines()
    words = [line.split() for line in said]
    ids: dict[str, set[UUID]] = {"asked": set(), "answered": set()}
    for line in words:
        if len(line) == 2 and len(line[1]) == 36:  # the last line may be cut off
            ids[line[0]].add(UUID(line[1]))
    return ids["asked"], ids["answered"]


def check(folder: Path, kills: int) -> None:
    asked: set[UUID] = set()
    answered: set[UUID] = set()
    for _ in range(kills):
        some_asked, some_answered = killed(folder)
        asked |= some_asked
        answered |= some_answered
    for _ in range(2):  # the second time nothing is left to do
        with drain.held_lock(folder) as lock:
            assert lock is not None
            drain.drain_folder(folder)
    rows = dict(Call.objects.values_list("id", "status"))
    assert answered <= {call for call, status in rows.items() if status == "ok"}
    assert asked <= set(rows)
    assert asked <= set(Attempt.objects.values_list("call_id", flat=True))
    assert len(answered) >= kills * ANSWERS - kills
    assert Call.objects.count() == len(rows) == WorkItem.objects.count()
    assert listed(folder) == []
    assert drain.status(folder).pending_bytes == 0


def test_five_kills_lose_no_call_and_double_none(tmp_path: Path) -> None:
    check(tmp_path / "spool" / "host", 5)


@pytest.mark.soak
def test_twenty_kills_lose_no_call_and_double_none(tmp_path: Path) -> None:
    check(tmp_path / "spool" / "host", 20)
