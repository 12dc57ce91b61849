"""A Cortex to make backups of, with something of everything in it, and a place to restore them to."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from cortex.backup import tables
from routing import budgets, changes, document, drain, people, recorder, snapshot
from routing.audit import SYSTEM
from routing.idempotency import KEPT, Claim, Name, files
from routing.models import Budget
from routing.terms.ids import uuid7
from routing.terms.words import ClaimState, Group
from tests.routing.spooled import intent, outcome

SECRET = "sk-canary-of-the-spare-key"


@pytest.fixture(autouse=True)
def source(settings, tmp_path: Path) -> Iterator[Path]:
    """The data dir of the Cortex that backups are made of."""
    folder = tmp_path / "source"
    with in_data_dir(settings, folder):
        yield folder
        budgets.close()


@contextmanager
def in_data_dir(settings: Any, folder: Path) -> Iterator[None]:
    before, settings.DATA_DIR = settings.DATA_DIR, folder
    folder.mkdir(exist_ok=True)
    recorder.close()
    snapshot.forget()
    yield
    recorder.close()
    snapshot.forget()
    settings.DATA_DIR = before


@contextmanager
def elsewhere(settings: Any, folder: Path) -> Iterator[str]:
    """A new database and a new data dir: the address of the database."""
    connection.ensure_connection()
    info = connection.connection.info
    server_of = {"host": info.host, "port": info.port, "user": info.user}
    here, there = connection.settings_dict["NAME"], f"{connection.settings_dict['NAME']}_{folder.name}"
    with psycopg.connect(**server_of, dbname=here, autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {there} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {there}")
        connection.close()
        connection.settings_dict["NAME"] = there
        try:
            with in_data_dir(settings, folder):
                yield "postgresql://{user}@/{there}?host={host}&port={port}".format(**server_of, there=there)
        finally:
            connection.close()
            connection.settings_dict["NAME"] = here
            server.execute(f"DROP DATABASE {there} WITH (FORCE)")


def told(command: str, *words: object) -> str:
    out = StringIO()
    call_command(command, *map(str, words), stdout=out)
    return out.getvalue()


def contents() -> dict[str, list[bytes]]:
    """Every row of every table, but for the time at which a row came: what waited in the spool comes later."""
    with connection.cursor() as cursor:
        found = {}
        for table in sorted(tables.present(cursor) - {tables.MIGRATIONS}):
            columns = [
                each for each in tables.columns(cursor, table) if (table, each) != ("routing_call", "created_at")
            ]
            found[table] = sorted(map(bytes, tables.rows_out(cursor, table, columns)))
    return found


def spooled(client: str = "books", *, is_drained: bool = False) -> None:
    """A call that the provider was paid a cent for, in a segment of its own."""
    now = datetime.now(UTC)
    spool = recorder.Spool()
    call = intent(now, id=uuid7(now), client=client)
    spool.start(call)
    spool.finish(outcome(call.id, at=now))
    spool.close()
    if is_drained:
        assert drain.flush()


def budget(usd: str) -> None:
    """Of the client whose calls stand in the spool, counted since this month began."""
    month = budgets.month_of(timezone.now())[0].date()
    Budget.objects.create(scope="client:books", monthly_usd=Decimal(usd), month=month)


def fill(django_client: Any) -> None:
    """Something of everything that people and clients make."""
    document.load_seed()
    table = {"credentials": [{"provider": "openai", "name": "spare", "kind": "api_key", "secret": SECRET}]}
    changes.publish(table, by=SYSTEM, reason="a spare key", source="load")
    anna = get_user_model().objects.create_user("anna", password="of-anna-47")
    people.put(anna, Group.APPROVER)
    django_client.force_login(anna)
    budget("5")
    spooled(is_drained=True)
    assert Budget.objects.get().spent_usd == Decimal("0.00345")


def leave_undrained() -> None:
    """In the data dir alone: a call, one whose process died, a line that nobody could read, and a claim PostgreSQL was not told of."""
    spooled()
    now = datetime.now(UTC)
    spool = recorder.Spool()
    spool.start(intent(now, id=uuid7(now), client="books"))
    spool.close()
    bad = recorder.folder().parent / "bad" / "host-1-7.line"
    bad.parent.mkdir()
    bad.write_bytes(b"00000000 {")
    files.set_apart(
        Claim(
            name=Name("ck_gone", "order-1"),
            body_mac="0" * 64,
            state=ClaimState.DONE,
            owner="host/1-2-3.log",
            call=uuid7(now),
            replay=None,
            expires_at=timezone.now() + KEPT,
        )
    )
