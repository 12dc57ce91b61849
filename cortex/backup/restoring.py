"""A backup into a database that holds nothing: its tables as the file's migrations made them, its rows, then what has come since.

The file is read whole before anything is touched. Rows go in by one transaction, so that a restore that broke off leaves a database without any,
and can be begun again.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from django.core.management import CommandError, call_command
from django.db import Error, OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.migrations.executor import MigrationExecutor

from cortex.backup import folders, tables
from cortex.backup.archive import CHUNK_BYTES, BackupError, Reader, reading
from routing import audit, drain, recorder
from routing.secrets import rotation

MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, and what is to be known of it."""

    made_at: str  # ISO 8601, of the backup
    tables: int
    rows: int
    calls: int  # that waited in the spool, and are in the database now
    migrated: bool  # on from the migrations of the backup
    unreadable: tuple[str, ...]  # secrets that none of our keys opens
    audit: audit.Verification


def restore(path: Path, *, without_keys: bool = False) -> Restored:
    """Make this database and this data dir what `path` holds. Raises BackupError, OSError and django.db.Error;
    then the database holds no row, unless the error says otherwise.
    """
    with reading(path, without_keys=without_keys) as file, drain.held_lock(recorder.folder()) as lock:
        if lock is None:
            holder = drain.status().holder
            raise BackupError(f"A Cortex runs on this data dir (process {holder} drains its spool): stop it first.")
        migrations = _migrations(file, path)
        _make_room(path)
        MigrationExecutor(connection).migrate(tables.leaves(migrations))
        rows = _load(file, migrations, path)
        try:
            is_behind = _catch_up()
            drained = drain.drain_folder(recorder.folder())
        except (OSError, Error, CommandError) as error:
            raise BackupError(
                f"All rows of {path} are restored, and none of its calls is lost, but one thing remains to be done: {str(error).strip()}."
                " When that is mended, run `manage.py migrate` and `manage.py spool drain`."
            ) from error
    return Restored(
        made_at=file.manifest["made_at"],
        tables=len(file.manifest["tables"]),
        rows=rows,
        calls=drained.calls + drained.unknown,
        migrated=is_behind,
        unreadable=tuple(rotation.count().unreadable),
        audit=audit.verify(),
    )


def _migrations(file: Reader, path: Path) -> set[tables.Migration]:
    """The file's, all of which this version must have. Its tables must be theirs, its members its tables and what belongs in a data dir."""
    migrations = {(str(app), str(name)) for app, name in file.manifest["migrations"]}
    if news := tables.unknown(migrations):
        raise BackupError(
            f"{path} was made by a newer Cortex, which has {_named(news)}: update this one to that version, then restore."
        )
    listed = set(tables.of(migrations))
    members = {name.removeprefix("tables/") for name in file.members if name.startswith("tables/")}
    strays = [name for name in file.members if not name.startswith("tables/") and folders.place(name) is None]
    if listed != set(file.manifest["tables"]) or listed != members or strays:
        raise BackupError(f"{path} does not hold the tables that its migrations make: take another backup.")
    return migrations


def _make_room(path: Path) -> None:
    """See that the database holds nothing, and drop what migrations had made there: it may be of other migrations than the file."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        present = tables.present(cursor)
        if not present:
            return
        migrations = tables.applied()
        ours = {tables.MIGRATIONS, *tables.of(migrations)} if migrations else set()
        if strangers := sorted(present - ours):
            raise _holds(strangers, path)
        _lock(cursor, present)
        if filled := tables.filled(cursor, present):
            raise _holds(filled, path)
        tables.drop(cursor, present)


def _lock(cursor: CursorWrapper, names: Iterable[str]) -> None:
    cursor.execute("SET LOCAL lock_timeout = '5s'")
    try:
        tables.lock(cursor, names, "ACCESS EXCLUSIVE")
    except OperationalError as error:
        raise BackupError(
            "Somebody else uses this database: stop every Cortex that has it as its own, and begin again."
        ) from error


def _holds(names: list[str], path: Path) -> BackupError:
    where = connection.settings_dict["NAME"]
    return BackupError(
        f"The database {where} holds something: {_named(names)}. Nothing was changed. {path} is restored only where nothing is: make a new database"
        " (createdb) and name it in DATABASE_URL, or for a trial name a new folder in CORTEX_DATA_DIR."
    )


def _load(file: Reader, migrations: set[tables.Migration], path: Path) -> int:
    """All rows, or none. Nobody else writes meanwhile."""
    manifest, total = file.manifest, 0
    names = tables.of(migrations)
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        _lock(cursor, names)
        if filled := tables.filled(cursor, names):
            raise BackupError(f"Somebody writes into this database ({_named(filled)}): stop that, and begin again.")
        for name in tables.BEGUN.intersection(names):
            cursor.execute(f"DELETE FROM {tables.quoted(name)}")  # noqa: S608 - our own names
        for month in manifest["months"]:
            cursor.execute("SELECT routing_partition(%s::date)", [month])
        for name in names:
            told = manifest["tables"][name]
            if sorted(told["columns"]) != sorted(tables.columns(cursor, name)):
                raise BackupError(f"{path} has other columns of {name} than its migrations make: take another backup.")
            rows = tables.rows_in(cursor, name, told["columns"], _parts(file, name))
            if rows != told["rows"]:
                raise BackupError(f"{path} tells of {told['rows']} rows of {name} and has {rows}: take another backup.")
            total += rows
        for table, column, value, is_called in manifest["sequences"]:
            tables.wind(cursor, table, column, value, is_called)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # before files are written, and not at the commit
        _put_files(file)
    return total


def _catch_up() -> bool:
    """Migrate to what this version has; whether there was anything to do."""
    executor = MigrationExecutor(connection)
    is_behind = bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if is_behind:
        call_command("migrate", interactive=False, verbosity=0)
    return is_behind


def _parts(file: Reader, table: str) -> Iterator[bytes]:
    with file.open(f"tables/{table}") as member:
        while part := member.read(CHUNK_BYTES):
            yield part


def _put_files(file: Reader) -> None:
    for name, told in file.members.items():
        if (path := folders.place(name)) is not None:
            with file.open(name) as member:
                folders.write(path, member.read(), told["mtime"])


def _named(names: list[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
