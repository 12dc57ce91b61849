"""Eight processes on one circuit, one cooldown and one quota: no count is lost, nothing is told twice, none waits for another for ever."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from routing.models import Alert, AuditEvent, Circuit, Cooldown, Quota
from routing.terms.words import CircuitState
from tests.cortex.processes import ROOT

PROCESSES, FAILURES = 8, 60

pytestmark = pytest.mark.django_db(transaction=True)


class Eight:
    """The processes, told what to do all at once."""

    def __init__(self, database: str) -> None:
        env = {**os.environ, "DATABASE_URL": database}
        self.processes = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.faults.hammer", str(FAILURES), str(number)],
                cwd=ROOT,
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(PROCESSES)
        ]

    def answers(self) -> list[str]:
        return [process.stdout.readline().strip() for process in self.processes if process.stdout]

    def do(self, act: str) -> list[str]:
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write(f"{act}\n")
            process.stdin.flush()
        return self.answers()

    def end(self) -> list[int]:
        for process in self.processes:
            process.communicate()
        return [process.returncode for process in self.processes]


@pytest.fixture
def eight() -> Iterator[Eight]:
    Quota.objects.create(slug="codex-cli", name="Codex CLI")
    info = connection.connection.info
    started = Eight(f"postgresql://{info.user}@/{info.dbname}?host={info.host}&port={info.port}")
    try:
        assert started.answers() == ["ready"] * PROCESSES
        yield started
    finally:
        codes = started.end()
    assert codes == [0] * PROCESSES


def test_eight_processes_hammering_one_circuit_lose_no_count_and_one_of_them_probes(eight: Eight) -> None:
    begun = datetime.now(UTC)
    assert eight.do("hammer") == ["hammered"] * PROCESSES

    row = Circuit.objects.get()
    assert (row.state, row.failures, row.openings) == (CircuitState.OPEN, PROCESSES * FAILURES, 1)
    assert Alert.objects.filter(kind="circuit").count() == 1
    # The last rest that anybody was asked for: process 7 in its 57th round, 2000 s and 57 of them for the whole credential …
    ends = dict(Cooldown.objects.values_list("model", "until"))
    assert begun + timedelta(seconds=2057) <= ends[""] <= datetime.now(UTC) + timedelta(seconds=2057)
    # … and in its 57th, 1000 and 56 and 7 for the model.
    assert begun + timedelta(seconds=1063) <= ends["codex"] <= datetime.now(UTC) + timedelta(seconds=1063)
    assert Quota.objects.get().resets_at == ends[""]
    assert AuditEvent.objects.filter(action="quota.exhausted").count() == 1

    Circuit.objects.update(retry_at=begun - timedelta(minutes=1))
    assert sorted(eight.do("probe")) == ["probe 0"] * (PROCESSES - 1) + ["probe 1"]
    assert Circuit.objects.get().state == CircuitState.HALF_OPEN
