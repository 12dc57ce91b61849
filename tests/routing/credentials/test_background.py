"""The thread that renews: it lives through whatever happens, and never loses what a token server gave."""

import threading
from collections.abc import Iterator

import pytest
from django.db import DatabaseError, connections

from routing import changes, credentials
from routing.audit import SYSTEM
from routing.credentials import background, renewal
from tests.cortex.processes import until
from tests.doubles.tokens import CLIENT_ID, CLIENT_SECRET, token_server


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(background, "POLL_S", 0.01)
    yield
    background.stop()


def test_what_the_server_gave_is_written_when_the_database_is_back() -> None:
    answers: list[Exception | None] = [DatabaseError("away"), DatabaseError("away"), None]

    def write() -> bool:
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        return True

    assert background._Renewer()._keep(write)
    assert answers == []


def test_a_worker_that_stops_does_not_wait_for_the_database() -> None:
    def away() -> bool:
        raise DatabaseError("away")

    renewer = background._Renewer()
    renewer.stopping.set()
    with pytest.raises(DatabaseError):
        renewer._keep(away)


def test_an_error_ends_one_round_and_not_the_thread(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rounds, third = iter([RuntimeError("a bug"), DatabaseError("away")]), threading.Event()

    def renew_due(**_: object) -> int:
        for error in rounds:
            raise error
        third.set()
        return 0

    monkeypatch.setattr(renewal, "renew_due", renew_due)
    background.start()
    background.start()  # a second start begins no second thread
    assert [thread.name for thread in threading.enumerate()].count("credentials") == 1
    assert third.wait(60)
    assert "a bug" in caplog.text
    assert "away" not in caplog.text  # the snapshot's thread tells that


@pytest.mark.django_db(transaction=True)
def test_the_thread_renews_what_is_due() -> None:
    with token_server() as server:
        oauth = {"token_url": server.url, "client_id": CLIENT_ID, "grant": "client_credentials"}
        document = {
            "providers": [{"slug": "far", "kind": "openai_compatible", "base_url": "http://127.0.0.1:9/v1"}],
            "credentials": [{"provider": "far", "kind": "oauth", "oauth": oauth, "secret": CLIENT_SECRET}],
        }
        changes.publish(document, by=SYSTEM, reason="a test", source="load")
        background.start()
        until(lambda: credentials.read("far", "main").ready, 60)
        background.stop()
        assert len(server.requests) == 1
    connections.close_all()
