"""`manage.py audit verify`: is the chain of audit events whole? `audit reseal`: trust its head again."""

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
        reseal = actions.add_parser(
            "reseal", help="after its key was lost, or what broke it is understood: trust the head again"
        )
        reseal.add_argument("--reason", required=True, help="what happened; it stands in the event")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "reseal":
            event = audit.reseal(by=audit.SYSTEM, reason=options["reason"])
            self.stdout.write(f"Event {event.sequence} says so, and the head is sealed again.")
            return
        found = audit.verify()
        if options["json"]:
            self.stdout.write(json.dumps(asdict(found)))
        if not found.ok:
            raise CommandError(f"The audit chain is broken. {found.problem}", returncode=1)
        if not options["json"]:
            self.stdout.write(f"The audit chain is whole: {found.events} events.")
