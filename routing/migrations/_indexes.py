"""Indexes on tables that may be long, built without holding writers up. For migrations with `atomic = False`; begun again, each goes on where it stopped."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db.backends.utils import CursorWrapper

MONTHS = """
SELECT part.inhrelid::regclass::text FROM pg_inherits AS part WHERE part.inhparent = %s::regclass
AND NOT EXISTS (SELECT 1 FROM pg_inherits AS has JOIN pg_index AS i ON i.indexrelid = has.inhrelid
                WHERE has.inhparent = %s::regclass AND i.indrelid = part.inhrelid)
ORDER BY 1
"""
# A build that was interrupted leaves an index that nobody reads and that cannot be attached.
BROKEN = "SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(%s) AND NOT indisvalid"


def build(cursor: CursorWrapper, name: str, table: str, what: str) -> None:
    """An index of a plain table; `what` follows the table's name in CREATE INDEX."""
    cursor.execute(BROKEN, [name])
    is_broken = cursor.fetchone() is not None
    with _patient(cursor):
        if is_broken:
            cursor.execute(f"DROP INDEX CONCURRENTLY {name}")
        cursor.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {table} {what}")


def build_by_month(cursor: CursorWrapper, name: str, table: str, what: str, month_name: str) -> None:
    """An index of a table in months: built month by month, then attached to the parent's, as PostgreSQL's manual has it.

    CREATE INDEX on the parent itself would lock every month until all are built.
    """
    # The parent's first: a month that is made from here on brings its own.
    cursor.execute(f"CREATE INDEX IF NOT EXISTS {name} ON ONLY {table} {what}")
    cursor.execute(MONTHS, [table, name])
    for (month,) in cursor.fetchall():
        build(cursor, month_name.format(month=month), month, what)
        cursor.execute(f"ALTER INDEX {name} ATTACH PARTITION {month_name.format(month=month)}")


@contextmanager
def _patient(cursor: CursorWrapper) -> Iterator[None]:
    """CONCURRENTLY waits for the transactions that were there before it, for as long as they take, and nobody waits for it meanwhile."""
    cursor.execute("SELECT current_setting('lock_timeout')")
    (before,) = cursor.fetchone()
    cursor.execute("SET lock_timeout = 0")
    try:
        yield
    finally:
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [before])
