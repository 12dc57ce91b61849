"""kill -9 of web workers under load, over HTTP, on every wire, whole and streamed: whatever id a client was given has its row."""

import os
import signal
from pathlib import Path

import pytest

from routing.models import Attempt
from tests.faults.life import WAITS_S, WAYS, Load, served

pytestmark = pytest.mark.django_db(transaction=True)
CLIENTS = 8


def killed(folder: Path, kills: int, calls: int) -> None:
    """Kill a child of the server so often, each time after so many more answers: a web worker, and now and then the drainer."""
    with served(folder) as there:
        load = Load(there, clients=CLIENTS, rate=100, may_cut=True)
        try:
            for _ in range(kills):
                load.until_answered(calls)
                os.kill(min(there.workers()), signal.SIGKILL)
            load.until_answered(calls)
        finally:
            load.end()
        there.process.tell(signal.SIGTERM)
        assert there.process.exit_code(WAITS_S) == 0
        rows = there.drained()
        called = there.called()
    assert load.failed == []
    assert len(load.ways) == len(WAYS)
    assert len(load.answered) == len(set(load.answered)) == len(set(there.told) & set(load.answered))
    assert {rows.get(call) for call in load.answered} == {"ok"}
    assert set(there.told) <= set(rows)
    assert (
        len(rows) - len(load.answered) <= CLIENTS * kills
    )  # under way when their worker died: recorded, not acknowledged
    # No call has a fallback here: each that reached a provider has its one attempt, be its outcome known or not.
    assert called <= Attempt.objects.count() == Attempt.objects.values("call_id").distinct().count() == len(rows)


def test_three_kills_lose_no_acknowledged_call(tmp_path: Path) -> None:
    killed(tmp_path, kills=3, calls=40)


@pytest.mark.soak
def test_twenty_kills_lose_no_acknowledged_call(tmp_path: Path) -> None:
    killed(tmp_path, kills=20, calls=200)
