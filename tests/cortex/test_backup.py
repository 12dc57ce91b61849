"""Backup and restore: what is restored is what was there at one moment, and serves."""

import re
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import DataError, connection
from django.db.migrations.executor import MigrationExecutor

from cortex.backup import folders, tables
from routing import clients, drain, recorder, snapshot
from routing.audit import SYSTEM
from routing.idempotency.claim import Name
from routing.models import Attempt, Budget, Call, Project, WorkItem
from routing.terms.ids import uuid7
from routing.terms.words import Scope
from tests.cortex.backups import SECRET, budget, contents, elsewhere, fill, leave_undrained, source, told  # noqa: F401
from tests.cortex.processes import Managed, get, until
from tests.doubles import script
from tests.routing.doors.asking import Client
from tests.routing.doors.conftest import serving
from tests.routing.spooled import intent, outcome
from tests.routing.two_providers import two_providers

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.long
def test_a_restored_cortex_equals_its_source_and_answers_its_clients(
    settings: Any, tmp_path: Path, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "backup.zip"
    fill(client)
    with two_providers() as world:
        world.primary.will(script.answer("Once alone."), then=script.answer("And again."))
        snapshot.load_now()
        key = clients.create_key("ci", by=SYSTEM, scopes=tuple(Scope)).key
        with serving() as here:
            first = Client(here, key).ask("native", "order-2")
        assert b"Once alone." in first.content
        recorder.close()
        assert drain.flush()
        leave_undrained()
        said = told("backup", file)
        assert re.search(r"[\d,]+ rows of \d+ tables, 4 files of the data dir", said)
        assert "CORTEX_ENCRYPTION_KEYS" in said
        assert file.stat().st_mode & 0o777 == 0o600
        assert not [each for each in (*settings.ENCRYPTION_KEYS, SECRET, key) if each in text_of(file)]

        assert drain.flush()  # here, too, what had waited becomes rows
        before = contents()
        with elsewhere(settings, tmp_path / "restored") as url:
            monkeypatch.setattr(folders, "write", fails)
            with pytest.raises(CommandError, match="was not restored: no more"):
                call_command("restore", file)
            monkeypatch.undo()
            said = told("restore", file)  # one that broke off stands in nobody's way
            assert "2 calls that had waited in the spool" in said
            assert "The audit chain is whole" in said
            assert contents() == before
            assert len(before["routing_call"]) == 4
            assert Budget.objects.get().spent_usd == 2 * Decimal("0.00345")
            kept = [path for path in settings.DATA_DIR.rglob("*") if path.is_file()]
            assert {path.name for path in kept} >= {"host-1-7.line", Name("ck_gone", "order-1").digest}
            assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}

            with served(settings.DATA_DIR, url, tmp_path / "output") as there:
                again = Client(there, key).ask("native", "order-2")
                assert (again.is_replayed, again.content) == (True, first.content)
                assert len(world.primary.requests) == 1
                assert b"And again." in Client(there, key).ask("native", "order-3").content
            until(lambda: drain.flush() and Call.objects.count() == 5)


def text_of(file: Path) -> str:
    with zipfile.ZipFile(file) as members:
        return "".join(members.read(name).decode() for name in members.namelist())


def fails(*arguments: object) -> None:
    raise DataError("no more")


@contextmanager
def served(folder: Path, url: str, output: Path) -> Iterator[str]:
    env = {"CORTEX_DATA_DIR": str(folder), "DATABASE_URL": url, "CORTEX_TRIAL": "1"}
    process = Managed("serve", "--bind", "127.0.0.1:0", "--workers", "1", output=output, env=env)
    try:
        address = urlsplit(until(lambda: process.said("Serving on")).split()[2]).netloc
        until(lambda: is_ready(f"http://{address}"), within_s=90)
        yield f"http://{address}"
    finally:
        process.clear_up()


def is_ready(url: str) -> bool:
    try:
        return bool(get(f"{url}/readyz"))
    except OSError:
        return False


def test_a_backup_taken_while_calls_are_written_is_of_one_moment(settings: Any, tmp_path: Path) -> None:
    budget("5000")
    answered: list[UUID] = []
    stop = threading.Event()

    def write() -> None:
        """Calls one after the other, each drained some time after it was answered."""
        while not stop.is_set():
            spool = recorder.Spool(segment_bytes=20_000)
            for _ in range(5):
                now = datetime.now(UTC)
                call = intent(now, id=uuid7(now), item=uuid7(now), client="books")
                spool.start(call)
                spool.finish(outcome(call.id, at=now))
                answered.append(call.id)
            spool.close()
            with drain.held_lock(recorder.folder()) as lock:
                assert lock is not None
                drain.drain_folder(recorder.folder())
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        until(lambda: len(answered) > 100)
        for number in range(5):
            before = set(answered)
            told("backup", tmp_path / f"{number}.zip")
    finally:
        stop.set()
        writer.join()
    assert len(answered) > len(before)
    with elsewhere(settings, tmp_path / "restored"):
        told("restore", tmp_path / "4.zip")
        ended = set(Call.objects.filter(status="ok").values_list("id", flat=True))
        assert before <= ended <= set(answered)
        under_way = Call.objects.filter(status="unknown").count()  # whose outcome came behind the moment
        assert under_way <= 1
        assert len(ended) + under_way == Call.objects.count() == Attempt.objects.count() == WorkItem.objects.count()
        assert Budget.objects.get().spent_usd == len(ended) * Decimal("0.00345")


def test_a_backup_of_older_tables_is_migrated_on(settings: Any, tmp_path: Path) -> None:
    file = tmp_path / "old.zip"
    with elsewhere(settings, tmp_path / "old"):
        MigrationExecutor(connection).migrate([("routing", "0014_sessions")])
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO routing_project (slug, name) VALUES ('site', 'Site')")
            for month in ("2025-12-01", "2026-01-01"):
                cursor.execute("SELECT routing_partition(%s::date)", [month])
        told("backup", file)
    with elsewhere(settings, tmp_path / "restored"):
        MigrationExecutor(connection).migrate([("routing", "0003_people_and_audit")])  # no more than migrations leave
        assert "was of an older version" in told("restore", file)
        assert [row.slug for row in Project.objects.all()] == ["site"]
        assert clients.create_key("ci", by=SYSTEM).key  # the tables of today, and identities count on
        with connection.cursor() as cursor:
            assert tables.months(cursor) == ["2025-12-01", "2026-01-01"]


def test_a_line_that_is_set_aside_while_the_spool_is_read_is_not_missed(source: Path) -> None:  # noqa: F811
    segment, bad = source / "spool" / "here" / "1-1-a.log", source / "spool" / "bad" / "here-1-1-a-0.line"
    segment.parent.mkdir(parents=True)
    segment.write_bytes(b"no row\n")
    names = []
    for name, _ in folders.found():
        names.append(name)
        if segment.exists():  # as the drain does it
            bad.parent.mkdir()
            bad.write_bytes(b"no row")
            segment.unlink()
    assert names == ["spool/here/1-1-a.log", "spool/bad/here-1-1-a-0.line"]
