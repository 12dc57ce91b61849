"""PostgreSQL goes away under load and comes back: nobody notices but the drain, and nothing is lost."""

import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest
from django.db import connection

from routing.models import Attempt, Call, WorkItem
from tests.faults.cut import to_postgres

pytestmark = pytest.mark.django_db(transaction=True)


def away(folder: Path, before: int, during: int, after: int) -> None:
    """A worker at 100 calls a second, whose database is away for the middle ones."""
    connection.ensure_connection()
    link, url = to_postgres(connection.connection.info)
    with (
        link as wire,
        subprocess.Popen(
            [sys.executable, "-m", "tests.faults.worker", str(folder), "drain"],
            env={**os.environ, "DATABASE_URL": url},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as worker,
    ):
        assert worker.stdin is not None
        assert worker.stdout is not None
        said = [worker.stdout.readline() for _ in range(2 * before)]
        wire.cut()
        said += [worker.stdout.readline() for _ in range(2 * during)]
        at_the_cut = Call.objects.count()
        wire.mend()
        said += [worker.stdout.readline() for _ in range(2 * after)]
        worker.stdin.close()
        said += worker.stdout.read().splitlines()
    words = [line.split() for line in said]
    answered = {UUID(line[1]) for line in words if line[0] == "answered"}
    assert worker.returncode == 0
    assert words[-1] == ["drained", "0"]
    assert at_the_cut <= before + during // 2  # it really was away: what was recorded meanwhile is not there yet
    assert len(answered) >= before + during + after
    assert set(Call.objects.filter(status="ok").values_list("id", flat=True)) == answered
    assert Call.objects.count() == Attempt.objects.count() == WorkItem.objects.count() == len(answered)


def test_two_seconds_without_postgresql_lose_no_call(tmp_path: Path) -> None:
    away(tmp_path / "spool" / "host", before=50, during=200, after=30)


@pytest.mark.soak
def test_thirty_seconds_without_postgresql_lose_no_call(tmp_path: Path) -> None:
    away(tmp_path / "spool" / "host", before=200, during=3000, after=200)
