"""`manage.py spool status|drain`: what was recorded and is not yet in PostgreSQL."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from routing import drain, recorder


class Command(BaseCommand):
    help = "Tell what waits in the spool, or drain it now; `drain --dir` adopts the spool of a host that is gone."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=("status", "drain"))
        parser.add_argument("--dir", type=Path, help="a host's spool, or a folder of several; by default this host's")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        root: Path | None = options["dir"]
        if root is not None and not root.is_dir():
            raise CommandError(f"{root}: there is no such folder.")
        folders = [recorder.folder()] if root is None else drain.host_folders(root)
        if action == "drain":
            self._drain(folders)
        states = [drain.status(folder) for folder in folders]
        if options["json"]:
            told = [{**dataclasses.asdict(state), "is_behind": state.is_behind} for state in states]
            self.stdout.write(json.dumps({"items": told, "next": None}))
            return
        for state in states:
            holder = f"drained by process {state.holder}" if state.holder else "nobody drains it"
            self.stdout.write(
                f"{state.folder}: segments {state.segments}, bytes to drain {state.pending_bytes:,}, bad lines {state.bad_lines}; {holder}"
                + (f"; {state.error}" if state.error else "")
            )
        if not states:
            self.stdout.write("There is no spool.")

    def _drain(self, folders: list[Path]) -> None:
        for folder in folders:
            try:
                if not drain.flush(folder):
                    raise CommandError(f"{folder}: not drained. {drain.status(folder).error or 'PostgreSQL is away'}.")
            except (OSError, Error) as error:
                raise CommandError(f"{folder}: {error}") from error
