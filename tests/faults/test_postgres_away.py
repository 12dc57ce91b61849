"""PostgreSQL goes away under load and comes back: nobody notices but the drain and the console, and nothing is lost."""

import http.client
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from routing import drain, people
from routing.models import Attempt, Call, WorkItem
from routing.terms.words import Group
from tests.cortex.processes import until
from tests.faults.cut import to_postgres
from tests.faults.life import WAITS_S, WAYS, Load, Served, served

pytestmark = pytest.mark.django_db(transaction=True)
CAUGHT_UP_S = 30.0  # behind PostgreSQL's coming back


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


def served_meanwhile(folder: Path, away_s: float, rate: float, calls: int) -> None:
    """Two workers under load on every wire, and a person at the console, while PostgreSQL is away so long, and for so many `calls` at least."""
    connection.ensure_connection()
    link, url = to_postgres(connection.connection.info)
    person = User.objects.create_user("ada")
    people.put(person, Group.VIEWER)
    browser = Client()
    browser.force_login(person)
    with link as wire, served(folder, DATABASE_URL=url) as there:
        assert page(there, browser)[0] == 200
        load = Load(there, clients=16, rate=rate)
        try:
            load.until_answered(calls)
            wire.cut()
            cut = time.monotonic()
            until(lambda: drain.status(there.spool).is_behind, WAITS_S)
            code, told = page(there, browser)
            assert (code, "Recording to the spool" in told) == (503, True), told
            load.until_answered(calls)
            until(lambda: time.monotonic() - cut >= away_s, WAITS_S)
            acknowledged, kept = set(load.answered), set(Call.objects.values_list("id", flat=True))
            wire.mend()
            mended = time.monotonic()
            missing = acknowledged - kept
            until(lambda: not missing - set(Call.objects.values_list("id", flat=True)), WAITS_S)
            caught_up_s = time.monotonic() - mended
            until(lambda: page(there, browser)[0] == 200)
            load.until_answered(calls)
        finally:
            load.end()
        there.process.tell(signal.SIGTERM)
        assert there.process.exit_code(WAITS_S) == 0
    rows = there.drained()
    print(f"{len(rows)} calls, {len(missing)} of them while it was away, in PostgreSQL {caught_up_s:.1f} s after")
    assert load.failed == []
    assert len(load.ways) == len(WAYS)
    assert len(missing) >= calls
    assert rows == dict.fromkeys(load.answered, "ok")
    assert Attempt.objects.count() == there.called() == len(rows)
    assert caught_up_s <= CAUGHT_UP_S


def page(there: Served, browser: Client) -> tuple[int, str]:
    """The console's first page as a person sees it who is logged in."""
    wire = http.client.HTTPConnection(there.address, timeout=WAITS_S)
    session = browser.cookies[settings.SESSION_COOKIE_NAME]
    wire.request("GET", "/", headers={"Cookie": f"{session.key}={session.value}"})
    answer = wire.getresponse()
    told = answer.read().decode()
    wire.close()
    return answer.status, told


def test_some_seconds_without_postgresql_fail_no_call_and_the_console_says_so(tmp_path: Path) -> None:
    served_meanwhile(tmp_path, away_s=4, rate=50, calls=40)


@pytest.mark.soak
def test_thirty_seconds_without_postgresql_fail_no_call_of_a_hundred_a_second(tmp_path: Path) -> None:
    served_meanwhile(tmp_path, away_s=30, rate=100, calls=200)
