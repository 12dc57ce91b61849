"""A rolling restart under load, and an end in the middle of everything: no client sees an error, and every call has its row."""

import http.client
import signal
import threading
from pathlib import Path

import pytest

from routing.models import Attempt
from routing.terms.words import Role
from tests.cortex.processes import is_alive, until
from tests.doubles.script import answer
from tests.faults.life import WAITS_S, WAYS, Load, Served, Way, served

pytestmark = pytest.mark.django_db(transaction=True)


def renewed(there: Served, times: int, calls: int) -> None:
    """Restart the workers so often while clients call, with so many calls before, between and after."""
    load = Load(there)
    try:
        load.until_answered(calls)
        for _ in range(times):
            old = there.workers()
            there.process.tell(signal.SIGHUP)
            until(lambda old=old: load.failed or not any(map(is_alive, old)), WAITS_S)
            load.until_answered(calls)
    finally:
        load.end()
    there.process.tell(signal.SIGTERM)
    assert there.process.exit_code(WAITS_S) == 0
    assert load.failed == []
    assert len(load.ways) == len(WAYS)
    rows = there.drained()
    assert len(load.answered) == len(set(load.answered))
    assert rows == dict.fromkeys(load.answered, "ok")
    assert Attempt.objects.count() == there.called() == len(rows)


def test_a_rolling_restart_of_two_workers_costs_no_client_an_error(tmp_path: Path) -> None:
    with served(tmp_path) as there:
        renewed(there, times=1, calls=60)


@pytest.mark.soak
def test_ten_rolling_restarts_at_fifty_calls_a_second_cost_no_client_an_error(tmp_path: Path) -> None:
    with served(tmp_path) as there:
        renewed(there, times=10, calls=500)


def ended(there: Served, ways: tuple[Way, ...]) -> dict[Way, str]:
    """Tell the server to end while every way's call is at its provider; what became of each."""
    became: dict[Way, str] = {}

    def ask(way: Way) -> None:
        wire = there.connect()
        second = {"second_opinion": True} if way.path == "/api/v1/dispatch" else {}
        try:
            became[way] = str(there.ask(wire, way, **second))
        except (OSError, http.client.HTTPException, AssertionError) as error:
            became[way] = repr(error)
        finally:
            wire.close()

    threads = [threading.Thread(target=ask, args=(way,)) for way in ways]
    for each in threads:
        each.start()
    until(lambda: there.called() >= len(ways))
    there.process.tell(signal.SIGTERM)
    for each in threads:
        each.join(WAITS_S)
    assert there.process.exit_code(WAITS_S + 30) == 0
    return became


def test_sigterm_lets_every_call_and_stream_end_and_every_second_opinion(tmp_path: Path) -> None:
    slow = answer("It works as it should.", delay_s=1.0, pace_s=0.3)
    with served(tmp_path, workers=1, act=slow) as there:
        became = ended(there, WAYS)
        rows = there.drained()
    assert {str(id): "ok" for id in became.values()} == {str(id): status for id, status in rows.items()}
    native = sum(way.path == "/api/v1/dispatch" for way in WAYS)
    assert Attempt.objects.filter(role=Role.SECOND_OPINION, status="ok").count() == native
    assert Attempt.objects.count() == there.called() == len(WAYS) + native


@pytest.mark.soak
def test_a_stream_that_outlasts_the_thirty_seconds_is_cut_and_written_down(tmp_path: Path) -> None:
    endless = answer(" ".join(["word"] * 50), pace_s=5.0)
    streams = tuple(way for way in WAYS if way.streams)
    with served(tmp_path, workers=1, act=endless) as there:
        became = ended(there, streams)
        rows = there.drained()
    assert all(each.startswith("IncompleteRead") for each in became.values()), became  # nobody takes it for whole
    assert len(rows) == len(streams)
    assert set(rows.values()) == {"cancelled"}
    assert Attempt.objects.count() == there.called()
