"""`manage.py backup FILE`: all that is needed to be back, in one file, while everything runs."""

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from cortex import backup


class Command(BaseCommand):
    help = "Write the database, and what waits in the data dir, to one file. Everything may go on running. Keys are not in it."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="a file that is not there yet")

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        try:
            taken = backup.take(file)
        except backup.BackupError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{file} was not written: {error.strerror or error}.") from error
        self.stdout.write(
            f"{file}: {taken.rows:,} rows of {taken.tables} tables, {taken.files} files of the data dir; {taken.bytes:,} bytes."
        )
        self.stdout.write(
            f"Keep apart from it: {_kept('CORTEX_ENCRYPTION_KEYS', 'encryption_keys')}, without which the stored credentials cannot be read;"
            f" {_kept('CORTEX_SECRET_KEY', 'secret_key')}, without which people must log in anew; and what else the environment says."
        )


def _kept(variable: str, file: str) -> str:
    """The secret as an operator finds it."""
    return variable if os.environ.get(variable) else f"{variable} (in {settings.DATA_DIR / 'secrets' / file})"
