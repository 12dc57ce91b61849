"""`manage.py dump`: the routing table as one JSON document, without secrets."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from routing import document


class Command(BaseCommand):
    help = "Write the routing table as one JSON document; `load` of it changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--stravinsky", action="store_true", help="in the form of .stravinsky/routing.json")
        parser.add_argument("--project", help="with --stravinsky: the project whose routes to write")

    def handle(self, *args: Any, **options: Any) -> None:
        table: object = document.dump()
        if options["stravinsky"]:
            table, unsaid = document.dump_stravinsky(options["project"])
            if unsaid:
                self.stderr.write(f"Left out, for that form cannot say them: {', '.join(unsaid)}.")
        self.stdout.write(json.dumps(table, indent=2, ensure_ascii=False))
