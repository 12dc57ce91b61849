"""`manage.py calls import FILE` and `calls export`: calls in and out, in the columns of the public contract."""

import argparse
import dataclasses
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from routing import imports, records
from routing.imports.forms import FORMS


class Command(BaseCommand):
    help = "Import calls that were made elsewhere (CSV, NDJSON, a Markdown log; gzipped or not), or export calls."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        bring = actions.add_parser("import", help="idempotent on (request_id, attempt); all lines or none")
        bring.add_argument("file", help="a path, or - for standard input")
        bring.add_argument("--form", choices=FORMS, help="by default what the name or the first character says")
        bring.add_argument("--skip-bad", action="store_true", help="keep the good lines of a file that has bad ones")
        bring.add_argument("--simulated", action="store_true", help="rows of a simulation: never mixed with real ones")
        bring.add_argument("--json", action="store_true")
        give = actions.add_parser("export", help="the same columns, the oldest call first")
        give.add_argument("--out", default="-", help="a path, by default standard output")
        give.add_argument("--form", choices=("csv", "ndjson"), default="csv")
        for name in ("task-type", "provider", "model", "role", "status", "client"):
            give.add_argument(f"--{name}", default="")
        for name in ("since", "until"):
            give.add_argument(
                f"--{name}", type=_moment, help="ISO 8601; a bare date is its first moment in CORTEX_TIME_ZONE"
            )

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        self._import(options) if action == "import" else self._export(options)

    def _import(self, options: dict[str, Any]) -> None:
        name = options["file"]
        try:
            with sys.stdin.buffer if name == "-" else Path(name).open("rb") as file:
                done = imports.load(
                    file, name, form=options["form"], skip_bad=options["skip_bad"], simulated=options["simulated"]
                )
        except OSError as error:
            raise CommandError(f"{name}: {error.strerror}.") from error
        except imports.Refused as error:
            raise CommandError(f"{name}: {error}") from error
        if options["json"]:
            self.stdout.write(json.dumps(dataclasses.asdict(done)))
        for bad in () if options["json"] else done.errors:
            self.stderr.write(str(bad))
        if done.bad > len(done.errors) and not options["json"]:
            self.stderr.write(f"… and {done.bad - len(done.errors)} more")
        if not done.written:
            raise CommandError(
                f"{name}: nothing was imported, {done.bad} of {done.lines} lines are bad. Mend them, or import the others with --skip-bad."
            )
        if not options["json"]:
            self.stdout.write(
                f"{name}: {done.added} added, {done.updated} filled in, {done.unchanged} there already, {done.bad} bad."
            )

    def _export(self, options: dict[str, Any]) -> None:
        names = {field.name for field in dataclasses.fields(records.Filters)}
        filters = records.Filters(**{name: value for name, value in options.items() if name in names})
        parts = records.export(filters, options["form"])
        if options["out"] == "-":
            for part in parts:
                self.stdout.write(part, ending="")
            return
        try:
            with Path(options["out"]).open("w", encoding="utf-8", newline="") as file:
                file.writelines(parts)
        except OSError as error:
            raise CommandError(f"{options['out']}: {error.strerror}.") from error


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an ISO 8601 time or date") from None
    return timezone.make_aware(moment) if moment.tzinfo is None else moment
