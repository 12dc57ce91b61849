"""`manage.py migrate` beside others: it waits briefly, lets them pass, and ends when the table is free; what broke off can be begun again."""

import threading
from collections.abc import Iterator
from io import StringIO

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from cortex.management.commands import migrate

pytestmark = pytest.mark.django_db(transaction=True)

BEFORE_INDEXES = "0015_adoption"


@pytest.fixture(autouse=True)
def without_indexes(transactional_db: None) -> Iterator[None]:
    call_command("migrate", "routing", BEFORE_INDEXES, verbosity=0)
    yield
    call_command("migrate", verbosity=0)


def other() -> "psycopg.Connection[tuple[object, ...]]":
    info = connection.connection.info
    return psycopg.connect(
        host=info.host, port=info.port, user=info.user, dbname=info.dbname, application_name="report"
    )


def indexes() -> dict[str, bool]:
    """Those of 0016, of parents and months, and whether they are valid."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
            " WHERE relname ~ 'observed|stored|item_seen' ORDER BY relname"
        )
        return dict(cursor.fetchall())


def test_a_table_in_use_is_waited_for_while_others_pass() -> None:
    """A report that reads the calls, a migration that wants them for itself, and a writer who comes behind both."""
    said = StringIO()
    with other() as report, other() as writer:
        report.execute("LOCK TABLE routing_call IN ROW EXCLUSIVE MODE")  # CREATE INDEX ON ONLY waits for it
        migrating = threading.Thread(target=migrated, args=(said,))
        migrating.start()
        while "in use" not in said.getvalue():  # it has given way once
            assert migrating.is_alive()
            writer.execute("SET lock_timeout = '20s'")  # it would wait for the end of the report, which waits for us
            writer.execute("LOCK TABLE routing_call IN ROW EXCLUSIVE MODE")
            writer.rollback()
        report.rollback()
        migrating.join(60)
    assert not migrating.is_alive()
    assert {"routing_call_observed", "attempt_stored", "item_seen"} <= set(indexes())
    assert all(indexes().values())


def migrated(said: StringIO) -> None:
    call_command("migrate", stdout=StringIO(), stderr=said)
    connection.close()


def test_who_stands_in_the_way_for_too_long_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "PATIENCE_S", 0.0)
    with other() as report:
        report.execute("LOCK TABLE routing_call IN ROW EXCLUSIVE MODE")
        with pytest.raises(
            CommandError, match=r"oldest transaction is of process \d+ \(report\), since .* run `migrate`"
        ):
            call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)


def test_indexes_that_broke_off_half_way_are_finished() -> None:
    with connection.cursor() as cursor:
        for month in ("2026-01-01", "2026-02-01"):
            cursor.execute("SELECT routing_partition(%s::date)", [month])
        cursor.execute("CREATE INDEX routing_call_observed ON ONLY routing_call (client, id) WHERE role = 'observed'")
        cursor.execute(
            "CREATE INDEX routing_call_2026_01_observed ON routing_call_2026_01 (client, id) WHERE role = 'observed'"
        )
        cursor.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'routing_call_2026_01_observed'::regclass"
        )
        cursor.execute("CREATE INDEX item_seen ON routing_workitem (seen_at) WHERE seen_at IS NOT NULL")
    call_command("migrate", verbosity=0)
    assert {f"routing_call_2026_0{month}_observed" for month in (1, 2)} <= set(indexes())
    assert all(indexes().values())


def test_a_database_whose_indexes_older_migrations_had_made_has_nothing_left_to_do() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT routing_partition('2026-01-01'::date)")
        cursor.execute("CREATE INDEX routing_call_observed ON routing_call (client, id) WHERE role = 'observed'")
        cursor.execute("CREATE INDEX attempt_stored ON routing_attempt (stored) WHERE stored <> ''")
        cursor.execute("CREATE INDEX item_seen ON routing_workitem (seen_at) WHERE seen_at IS NOT NULL")
    before = indexes()
    call_command("migrate", verbosity=0)
    assert indexes() == before
