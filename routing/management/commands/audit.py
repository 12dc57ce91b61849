"""`manage.py audit verify`: is the chain of audit events whole?"""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from routing import audit


class Command(BaseCommand):
    help = "Check the audit chain for edits, deletions, insertions and reordering; exit 1 when it is broken."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        verify = actions.add_parser("verify", help="read the whole chain and its sealed head")
        verify.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        found = audit.verify()
        if options["json"]:
            self.stdout.write(json.dumps(asdict(found)))
        if not found.ok:
            raise CommandError(f"The audit chain is broken. {found.problem}", returncode=1)
        if not options["json"]:
            self.stdout.write(f"The audit chain is whole: {found.events} events.")
