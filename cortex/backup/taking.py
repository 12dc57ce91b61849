"""A backup while everything runs: what waits in the data dir first, then the database as it is at one moment.

In that order no call is missed: one that was answered before we began lies in a segment that we read, or has gone from it to PostgreSQL before the
moment that we see. One that is in both becomes one row: the drain writes none twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.db import ProgrammingError, connection, transaction
from django.db.backends.utils import CursorWrapper

from cortex.backup import folders, tables
from cortex.backup.archive import BackupError, Writer


@dataclass(frozen=True, slots=True)
class Taken:
    """What a backup holds."""

    tables: int
    rows: int
    files: int  # segments of the spool, and other files of the data dir
    bytes: int  # of the backup itself


def take(path: Path) -> Taken:
    """Write a backup to `path`, which must not be there yet. Raises BackupError, OSError, django.db.Error; then nothing is left of it."""
    migrations = tables.applied()
    if not migrations:
        raise BackupError("The database was never migrated: there is nothing to back up.")
    if news := tables.unknown(migrations):
        raise BackupError(
            f"The database is newer than this version of Cortex, which does not know {', '.join(news)}: use the version that made it."
        )
    with Writer(path) as file:
        kept = _files(file)
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            names = tables.of(migrations)
            _begin(cursor, names, migrations)
            rows = {name: _table(file, cursor, name) for name in names}
            size = file.finish(
                made_at=datetime.now(UTC).isoformat(timespec="seconds"),
                migrations=sorted(map(list, migrations)),
                months=tables.months(cursor),
                sequences=tables.sequences(cursor, names),
                tables=rows,
            )
    return Taken(len(rows), sum(int(str(told["rows"])) for told in rows.values()), kept, size)


def _files(file: Writer) -> int:
    number = 0
    for name, path in folders.found():
        if (held := folders.read(name, path)) is not None:
            file.add(name, [held[0]], mtime=held[1])
            number += 1
    return number


def _begin(cursor: CursorWrapper, names: list[str], migrations: set[tables.Migration]) -> None:
    """See one moment of the database until the transaction ends, and no change of its tables."""
    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    # How values are written must not depend on the server's settings: as pg_dump does.
    cursor.execute("SET LOCAL datestyle = ISO; SET LOCAL intervalstyle = postgres; SET LOCAL extra_float_digits = 3")
    moved = BackupError("The database was migrated meanwhile: begin again.")
    try:
        tables.lock(cursor, names, "ACCESS SHARE")  # before the first look, which is the moment
    except ProgrammingError as error:
        raise moved from error
    if tables.applied() != migrations:
        raise moved


def _table(file: Writer, cursor: CursorWrapper, name: str) -> dict[str, object]:
    columns, rows = tables.columns(cursor, name), 0

    def lines() -> Iterator[memoryview]:
        nonlocal rows
        for line in tables.rows_out(cursor, name, columns):
            rows += 1
            yield line

    file.add(f"tables/{name}", lines())
    return {"columns": columns, "rows": rows}
