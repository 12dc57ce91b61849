"""The database after a test that committed: as the migrations left it, by taking away what is in it.

Django's flush truncates a hundred tables, most of them empty, and makes content types and permissions anew: a third of a second, and ten
times what many of these tests take. It stays for who may not switch triggers off, and while somebody else is still writing.
"""

from collections.abc import Callable

from django.db import connection, transaction
from django.test import TransactionTestCase

from tests.remembered import Rows, filled, read, write

MAY = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"  # for what is only ever added to, as the audit
WRITES = (
    "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND backend_xid IS NOT NULL)"
)


def emptying() -> Callable[[TransactionTestCase], None]:
    """What `TransactionTestCase._fixture_teardown` may be replaced by in a database that holds now what migrations leave."""
    begun = {table: read(table) for table in filled()}
    flush: Callable[[TransactionTestCase], None] = TransactionTestCase._fixture_teardown

    def empty(case: TransactionTestCase) -> None:
        if not _is(MAY) or _is(WRITES):
            flush(case)
        _empty(begun)

    return empty


def _empty(begun: dict[str, Rows]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        if _is(MAY):
            cursor.execute("SET LOCAL session_replication_role = replica")
        there = {table: read(table) if table in begun else () for table in filled()}
        for table, rows in there.items():
            if rows != begun.get(table):
                cursor.execute(f'DELETE FROM "{table}"')
        for table, rows in begun.items():
            if rows != there.get(table):
                write(table, rows)


def _is(question: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(question)
        return bool(cursor.fetchone()[0])
