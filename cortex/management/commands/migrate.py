"""`manage.py migrate`, while Cortex serves: whoever changes a table waits for it only briefly, then lets others pass and tries again.

A change of a table waits for whoever reads it, a night's job or a backup, and all who come after wait behind it: a lock that nobody
holds yet stops everything. Each migration is a transaction of its own, or can be begun again, so that what is done stays done.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, repeat
from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import Error, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.errors import DeadlockDetected, LockNotAvailable

# An autovacuum of the table gives way to who has waited for a second: so long at last, but under two seconds.
WAITS_S = (0.25, 0.5, 1.0, 1.5)
PAUSE_S = 0.5
PATIENCE_S = 600.0  # of all tries; what reads for longer is to be ended by hand

OLDEST = """
SELECT pid, application_name, to_char(xact_start AT TIME ZONE 'UTC', 'HH24:MI:SS "UTC"') FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL ORDER BY xact_start LIMIT 1
"""


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        end = time.monotonic() + PATIENCE_S
        for wait_s in chain(WAITS_S, repeat(WAITS_S[-1])):
            try:
                with _waiting(connection, wait_s):
                    super().handle(*args, **options)
                return
            except OperationalError as error:
                if not isinstance(error.__cause__, LockNotAvailable | DeadlockDetected):
                    raise
                if time.monotonic() > end:
                    raise CommandError(
                        f"A table was in use for {PATIENCE_S:.0f} s, whenever it was asked for. {_who(connection)}"
                        " What was migrated stays so: run `migrate` again."
                    ) from error
            if options["verbosity"]:
                self.stderr.write(f" in use: no lock within {wait_s} s, others go first.")
            time.sleep(PAUSE_S)


@contextmanager
def _waiting(connection: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
    """Have the connection wait for a lock for so long and no longer."""
    _set(connection, f"{seconds * 1000:.0f}ms")
    try:
        yield
    finally:
        with suppress(Error):  # a connection that is gone has no setting left
            _set(connection, "0")


def _set(connection: BaseDatabaseWrapper, timeout: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [timeout])


def _who(connection: BaseDatabaseWrapper) -> str:
    with connection.cursor() as cursor:
        cursor.execute(OLDEST)
        found = cursor.fetchone()
    return "The oldest transaction is of process {} ({}), since {}.".format(*found) if found else ""
