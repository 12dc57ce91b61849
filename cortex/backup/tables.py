"""The tables of a Cortex: which they are, whether they hold anything, and their rows out and in by COPY.

Names of tables and columns come from the catalogue or from our own migrations; those of a file are only compared with them.
"""

# ruff: noqa: S608 - statements are put together of such names alone

from collections.abc import Collection, Iterable, Iterator
from functools import cache
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

Migration = tuple[str, str]  # app, name
MIGRATIONS = "django_migrations"  # told by the manifest; a restored database has its own, of when it was made
# What migrations themselves leave rows in. A database with no others is as good as an empty one.
BEGUN = frozenset({"django_content_type", "auth_permission", "auth_group", "routing_audithead", "routing_stateversion"})
OUR_FUNCTIONS = "^(routing|analytics)_"


def applied() -> set[Migration]:
    """The migrations of the database; none where it was never migrated."""
    return set(MigrationRecorder(connection).applied_migrations())


@cache
def _code() -> MigrationLoader:
    """The migrations that this version of the code has."""
    return MigrationLoader(None)


def unknown(migrations: Iterable[Migration]) -> list[str]:
    """Those that this version of the code does not have, as "app.name"."""
    return sorted(".".join(each) for each in migrations if each not in _code().disk_migrations)


def leaves(migrations: Collection[Migration]) -> list[Migration]:
    """The last of them: who migrates to these has all of them, and no other."""
    graph = _code().graph
    return sorted(
        each
        for each in migrations
        if each in graph.nodes and not any(child.key in migrations for child in graph.node_map[each].children)
    )


def of(migrations: Collection[Migration]) -> list[str]:
    """The tables that these migrations make, but for their own."""
    state = _code().project_state([each for each in migrations if each in _code().graph.nodes])
    models = state.apps.get_models(include_auto_created=True)
    return sorted({model._meta.db_table for model in models if model._meta.managed and not model._meta.proxy})


def present(cursor: CursorWrapper) -> set[str]:
    """The tables of the database's schema. A month belongs to its parent."""
    cursor.execute(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
        " AND relnamespace = current_schema()::regnamespace"
    )
    return {name for (name,) in cursor.fetchall()}


def filled(cursor: CursorWrapper, tables: Iterable[str]) -> list[str]:
    """Those that hold a row which no migration left there."""
    names = [name for name in tables if name not in BEGUN and name != MIGRATIONS]
    if not names:
        return []
    cursor.execute(" UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {quoted(name)})" for name in names))
    return sorted(name for (name,) in cursor.fetchall())


def lock(cursor: CursorWrapper, tables: Iterable[str], mode: str) -> None:
    cursor.execute(f"LOCK TABLE {', '.join(map(quoted, tables))} IN {mode} MODE")


def drop(cursor: CursorWrapper, tables: Iterable[str]) -> None:
    """Drop them, and the functions that our migrations made beside them."""
    cursor.execute(f"DROP TABLE {', '.join(map(quoted, tables))} CASCADE")
    cursor.execute(
        "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = current_schema()::regnamespace AND proname ~ %s",
        [OUR_FUNCTIONS],
    )
    for (function,) in cursor.fetchall():
        cursor.execute(f"DROP FUNCTION {function} CASCADE")


def columns(cursor: CursorWrapper, table: str) -> list[str]:
    """The columns whose values are the rows' own, in order."""
    cursor.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
        " AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
        [quoted(table)],
    )
    return [name for (name,) in cursor.fetchall()]


def months(cursor: CursorWrapper) -> list[str]:
    """The first days of the months that calls have partitions of."""
    cursor.execute(
        r"SELECT replace(substring(inhrelid::regclass::text FROM '\d{4}_\d\d$'), '_', '-') || '-01' AS month"
        " FROM pg_inherits WHERE inhparent = 'routing_call'::regclass ORDER BY month"
    )
    return [month for (month,) in cursor.fetchall()]


def sequences(cursor: CursorWrapper, tables: Collection[str]) -> list[list[Any]]:
    """How far the identity columns have counted: table, column, last value, whether that one was given out."""
    cursor.execute(
        "SELECT relname, attname, pg_get_serial_sequence(quote_ident(relname), attname) FROM pg_attribute"
        " JOIN pg_class ON pg_class.oid = attrelid WHERE attidentity <> '' AND relname = ANY(%s)"
        " AND relnamespace = current_schema()::regnamespace ORDER BY 1, 2",
        [list(tables)],
    )
    found = []
    for table, column, sequence in cursor.fetchall():
        cursor.execute(f"SELECT last_value, is_called FROM {sequence}")
        found.append([table, column, *cursor.fetchone()])
    return found


def wind(cursor: CursorWrapper, table: str, column: str, value: int, is_called: bool) -> None:
    """Have the identity column go on counting from there."""
    cursor.execute("SELECT setval(pg_get_serial_sequence(%s, %s), %s, %s)", [quoted(table), column, value, is_called])


def rows_out(cursor: CursorWrapper, table: str, names: Iterable[str]) -> Iterator[memoryview]:
    """The rows in COPY's text form, one line each."""
    statement = f"COPY (SELECT {', '.join(map(quoted, names))} FROM {quoted(table)}) TO STDOUT"
    with connection.wrap_database_errors, cursor.copy(statement) as stream:
        yield from stream


def rows_in(cursor: CursorWrapper, table: str, names: Iterable[str], parts: Iterable[bytes]) -> int:
    """Write such lines into a table; how many rows that were."""
    statement = f"COPY {quoted(table)} ({', '.join(map(quoted, names))}) FROM STDIN"
    with connection.wrap_database_errors, cursor.copy(statement) as stream:
        for part in parts:
            stream.write(part)
    return int(cursor.rowcount)


def quoted(name: str) -> str:
    return connection.ops.quote_name(name)
