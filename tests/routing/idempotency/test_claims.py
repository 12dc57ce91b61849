"""The store of claims: who gets a key, what is known of it, in the table, in the data dir, and when a process or PostgreSQL is gone."""

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection, connections
from django.utils import timezone

from routing import clients, idempotency
from routing.audit import SYSTEM
from routing.idempotency import KEPT, Away, Claim, Name, files, owners, rows
from routing.models import IdempotencyClaim
from routing.segments import Segment
from routing.terms.ids import uuid7
from routing.terms.words import ClaimState
from tests.faults.cut import Cut, to_postgres

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def folder(settings, tmp_path: Path) -> Iterator[Path]:
    settings.DATA_DIR = tmp_path
    settings.SINGLE_HOST = True
    yield tmp_path
    owners.let_go()


@pytest.fixture
def several(settings) -> None:
    settings.SINGLE_HOST = False


@pytest.fixture
def key() -> str:
    return clients.digest(clients.create_key("ci", by=SYSTEM).key)


@pytest.fixture
def wire(key: str) -> Iterator[Cut]:
    """PostgreSQL over a wire that can be cut."""
    connection.ensure_connection()
    told = dict(connection.settings_dict)
    cut, _ = to_postgres(connection.connection.info)
    connection.close()
    with cut:
        options = {name: value for name, value in told["OPTIONS"].items() if name not in ("host", "port")}
        connection.settings_dict.update(HOST="127.0.0.1", PORT=str(cut.port), OPTIONS=options)
        yield cut
        connection.close()
        connection.settings_dict.update(told)
    rows._away_until = 0.0


def mend(cut: Cut) -> None:
    cut.mend()
    rows._away_until = 0.0


def claim(key: str, word: str = "k", **more) -> Claim:
    now = datetime.now(UTC)
    return Claim(Name(key, word), "mac", uuid7(now), owners.this_process(), now + KEPT, **more)


def of_the_dead(folder: Path) -> str:
    """The owner's name of a process that is no more."""
    segment = Segment(folder / "claims" / "owners")
    segment.close()
    return f"{owners.host()}/{segment.path.name}"


@pytest.mark.parametrize("single", [True, False], ids=["one host", "several"])
def test_one_of_many_gets_the_key(key: str, settings, single: bool) -> None:
    settings.SINGLE_HOST = single

    def take(wanted: Claim) -> Claim | None:
        try:
            return idempotency.take(wanted)
        finally:
            connections.close_all()

    wanted = [claim(key) for _ in range(12)]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(take, wanted))
    (ours,) = [each for each, other in zip(wanted, found, strict=True) if other is None]
    assert {other.state for other in found if other} == {ClaimState.RUNNING}
    assert idempotency.take(claim(key)) == ours


@pytest.mark.parametrize("single", [True, False], ids=["one host", "several"])
def test_a_key_goes_from_running_to_done_or_back_to_nobody(key: str, settings, single: bool) -> None:
    settings.SINGLE_HOST = single
    first, second = claim(key, "a"), claim(key, "b")
    assert idempotency.take(first) is idempotency.take(second) is None
    idempotency.settle(first, ClaimState.DONE, b"sealed")
    idempotency.release(second)
    found = idempotency.take(claim(key, "a"))
    assert found == replace(first, state=ClaimState.DONE, replay=b"sealed")
    assert idempotency.take(claim(key, "b")) is None


def test_the_claim_of_a_dead_process_is_of_unknown_outcome(key: str, folder: Path) -> None:
    dead = replace(claim(key), owner=of_the_dead(folder))
    assert idempotency.take(dead) is None
    assert idempotency.take(claim(key)) == replace(dead, state=ClaimState.UNKNOWN)
    owners.clear()
    assert idempotency.take(claim(key)) == replace(dead, state=ClaimState.UNKNOWN)
    idempotency.begin()
    assert IdempotencyClaim.objects.get().state == "unknown"


def test_a_process_that_died_between_its_mark_and_its_row_leaves_an_unknown_outcome(key: str, folder: Path) -> None:
    dead = replace(claim(key), owner=of_the_dead(folder))
    assert files.mark(dead) is None
    assert idempotency.take(claim(key)) == replace(dead, state=ClaimState.UNKNOWN)


def test_the_claim_of_another_host_runs_until_no_call_could(key: str, several: None) -> None:
    other = replace(claim(key), owner="elsewhere/1-2-3.log")
    assert idempotency.take(other) is None
    found = idempotency.take(claim(key))
    assert found is not None
    assert found.state is ClaimState.RUNNING
    idempotency.begin()
    assert IdempotencyClaim.objects.get().state == "running"
    IdempotencyClaim.objects.update(expires_at=timezone.now() + KEPT - timedelta(hours=1, minutes=1))
    found = idempotency.take(claim(key))
    assert found is not None
    assert found.state is ClaimState.UNKNOWN
    idempotency.settle(other, ClaimState.DONE, b"sealed")  # it was alive after all
    assert IdempotencyClaim.objects.get().state == "done"


def test_a_forked_child_does_not_keep_its_parents_claims_alive(key: str, folder: Path) -> None:
    owner, ready, done = owners.this_process(), multiprocessing.Event(), multiprocessing.Event()
    child = multiprocessing.get_context("fork").Process(target=lambda: (ready.set(), done.wait(30)))
    connections.close_all()
    child.start()
    assert ready.wait(30)
    held = owners._held
    assert held is not None
    assert owners.is_gone(owner) is False
    held.close()  # as death does
    assert owners.is_gone(owner) is True
    done.set()
    child.join(30)
    owners._held = None


def test_with_postgresql_away_a_key_of_before_is_not_given_again(key: str, wire: Cut) -> None:
    before = claim(key)
    assert idempotency.take(before) is None
    wire.cut()
    for _ in range(2):
        with pytest.raises(Away):
            idempotency.take(claim(key))
    mend(wire)
    assert idempotency.take(claim(key)) == before


def test_what_happens_while_postgresql_is_away_is_told_to_it_when_it_is_back(key: str, folder: Path, wire: Cut) -> None:
    ends, freed, runs, died = (claim(key, word) for word in ("ends", "freed", "runs", "died"))
    died = replace(died, owner=of_the_dead(folder))
    begun = claim(key, "begun before, freed meanwhile")
    assert idempotency.take(begun) is None
    wire.cut()
    assert [idempotency.take(each) for each in (ends, freed, runs, died)] == [None] * 4
    idempotency.settle(ends, ClaimState.DONE, b"sealed")
    idempotency.release(freed)
    idempotency.release(begun)
    assert idempotency.take(claim(key, "ends")) == replace(ends, state=ClaimState.DONE, replay=b"sealed")
    assert idempotency.take(claim(key, "runs")) == runs
    assert idempotency.take(claim(key, "freed")) is None
    with pytest.raises(Away):
        idempotency.take(claim(key, "begun before, freed meanwhile"))

    mend(wire)
    idempotency.begin()
    states = dict(IdempotencyClaim.objects.values_list("idempotency_key", "state"))
    assert states == {"ends": "done", "died": "unknown"}
    assert bytes(IdempotencyClaim.objects.get(idempotency_key="ends").replay or b"") == b"sealed"
    idempotency.settle(runs, ClaimState.DONE, b"late")
    assert idempotency.take(claim(key, "runs")) == replace(runs, state=ClaimState.DONE, replay=b"late")
    assert idempotency.take(claim(key, "begun before, freed meanwhile")) is None


def test_several_hosts_give_no_key_while_postgresql_is_away_and_lose_no_outcome(
    key: str, folder: Path, wire: Cut, several: None
) -> None:
    runs, freed = claim(key, "runs"), claim(key, "freed")
    assert idempotency.take(runs) is idempotency.take(freed) is None
    wire.cut()
    for word in ("new", "new", "runs"):
        with pytest.raises(Away):
            idempotency.take(claim(key, word))
    idempotency.settle(runs, ClaimState.DONE, b"sealed")
    idempotency.release(freed)
    with pytest.raises(Away):
        idempotency.take(claim(key, "runs"))
    mend(wire)
    assert idempotency.take(claim(key, "runs")) == replace(runs, state=ClaimState.DONE, replay=b"sealed")
    assert idempotency.take(claim(key, "freed")) is None
    assert idempotency.take(claim(key, "new")) is None
    assert not list((folder / "claims" / "apart").iterdir())


def test_a_key_that_was_deleted_claims_nothing(key: str, folder: Path) -> None:
    wanted = claim(key)
    clients.delete_client("ci", by=SYSTEM)
    with pytest.raises(idempotency.KeyGone):
        idempotency.take(wanted)
    assert not [path for path in (folder / "claims" / "taken").rglob("*") if path.is_file()]


def test_a_data_dir_that_cannot_be_written_claims_nothing(key: str, folder: Path) -> None:
    wanted = claim(key)
    (folder / "claims" / "taken").write_text("in the way")
    with pytest.raises(OSError):
        idempotency.take(wanted)
    assert not IdempotencyClaim.objects.exists()


def test_a_mark_that_cannot_be_read_gives_the_key_to_nobody(key: str, folder: Path) -> None:
    assert idempotency.take(claim(key)) is None
    (mark,) = [path for path in (folder / "claims" / "taken").rglob("*") if path.is_file()]
    mark.write_bytes(b"\0" * 40)
    with pytest.raises(OSError, match="not a claim"):
        idempotency.take(claim(key))


def test_one_of_many_gets_a_key_whose_day_is_over(key: str, folder: Path) -> None:
    assert files.mark(claim(key)) is None
    (mark,) = [path for path in (folder / "claims" / "taken").rglob("*") if path.is_file()]
    for _ in range(20):
        os.utime(mark, (0, 0))
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(files.mark, [claim(key) for _ in range(4)]))
        assert found.count(None) == 1
