"""`manage.py secrets status|rotate`: under which keys is what is stored, and move it under the newest."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from routing.audit import Actor
from routing.secrets import Unreadable, rotation


class Command(BaseCommand):
    help = "Tell which of CORTEX_ENCRYPTION_KEYS the stored secrets need, or encrypt them anew under the first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=("status", "rotate"))
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        if action == "status":
            self._status(as_json=options["json"])
            return
        try:
            done = rotation.rotate(by=Actor("secrets"))
        except Unreadable as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(asdict(done)))
            return
        self.stdout.write(
            f"{_secrets(done.rotated)} encrypted anew under the first of {len(settings.ENCRYPTION_KEYS)} keys;"
            f" {done.newest} had been already."
        )
        if len(settings.ENCRYPTION_KEYS) > 1:
            self.stdout.write(
                "The other keys may leave CORTEX_ENCRYPTION_KEYS, once every process runs with the first."
            )

    def _status(self, *, as_json: bool) -> None:
        found = rotation.count()
        if as_json:
            self.stdout.write(json.dumps(asdict(found)))
        else:
            self.stdout.write(f"{_secrets(found.newest)} under the first key, {found.older} under others.")
        if found.unreadable:
            named = ", ".join(found.unreadable[: rotation.MOST_NAMED])
            raise CommandError(f"None of CORTEX_ENCRYPTION_KEYS opens {len(found.unreadable)}: {named}.", returncode=1)


def _secrets(count: int) -> str:
    return f"{count} secret{'' if count == 1 else 's'}"
