"""`manage.py load FILE`: a document into the routing table, all or nothing."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from routing import document
from routing.audit import Actor


class Command(BaseCommand):
    help = "Load providers, models, routes and the rest of the routing table from one JSON document."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="the document, or - for standard input")
        parser.add_argument("--dry-run", action="store_true", help="print what would change, and change nothing")
        parser.add_argument(
            "--force", action="store_true", help="overwrite what was edited by hand since the last load"
        )
        parser.add_argument("--project", help="for .stravinsky/routing.json: the project whose routes these are")
        parser.add_argument("--reason", default="", help="what the history says")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            raw = document.read(_content(options["file"]))
            if options["dry_run"]:
                self._say(
                    document.preview(raw, force=options["force"], project=options["project"]), None, options["json"]
                )
                return
            done = document.load(
                raw,
                by=Actor("command line"),
                reason=options["reason"] or f"Loaded from {options['file']}",
                force=options["force"],
                project=options["project"],
            )
        except document.Invalid as error:
            raise CommandError(f"Nothing was loaded.\n{error}") from None
        self._say(done.changes, done.revision, options["json"])

    def _say(self, changes: Sequence[document.Change], revision: int | None, as_json: bool) -> None:
        if as_json:
            told = [change.as_dict() for change in changes]
            self.stdout.write(json.dumps({"revision": revision, "changes": told}))
            return
        for line in document.diff_lines(changes):
            self.stdout.write(line)
        if not changes:
            self.stdout.write("Nothing changes." if revision is None else "Nothing changed.")
        else:
            end = "Nothing was written: a dry run." if revision is None else f"Published as revision {revision}."
            self.stdout.write(f"{document.diff_summary(changes)}. {end}")


def _content(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}") from error
