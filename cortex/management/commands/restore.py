"""`manage.py restore FILE`: what `backup` wrote, into a database that holds nothing."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from cortex import backup


class Command(BaseCommand):
    help = "Restore a backup into an empty database and this data dir. A file that is not whole, or another's, changes nothing."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="what `backup` wrote")
        parser.add_argument(
            "--without-keys",
            action="store_true",
            help="the encryption keys of the backup are lost: restore all the same, and store its credentials anew",
        )

    def handle(self, *args: Any, file: Path, without_keys: bool, **options: Any) -> None:
        try:
            done = backup.restore(file, without_keys=without_keys)
        except backup.BackupError as error:
            raise CommandError(str(error)) from error
        except (OSError, Error) as error:
            raise CommandError(f"{file} was not restored: {str(error).strip()}") from error
        self.stdout.write(f"Restored as of {done.made_at}: {done.rows:,} rows of {done.tables} tables.")
        if done.calls:
            self.stdout.write(f"{done.calls:,} calls that had waited in the spool are in the database now.")
        if done.migrated:
            self.stdout.write("The backup was of an older version: its tables were migrated to this one.")
        if done.unreadable:
            self.stdout.write(f"To be stored anew, for no key opens them: {', '.join(done.unreadable)}.")
        if not done.audit.ok:
            raise CommandError(
                f"All rows are restored, but the audit chain is broken, as it was in the backup or for want of its key. {done.audit.problem}"
                " When that is understood, `manage.py audit reseal --reason …` trusts it again."
            )
        self.stdout.write(f"The audit chain is whole: {done.audit.events} events.")
