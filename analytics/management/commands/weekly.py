"""`manage.py weekly`: the weekly review by hand; the same code as the schedule."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from analytics import reviews, told, weekly


class Command(BaseCommand):
    help = "Write the review of an ISO week, or of every week that is over and has none."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--week", metavar="2026-W47")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["week"] and reviews.monday(options["week"]) > timezone.now().date():
                raise CommandError(f"{options['week']} has not begun.")
            made = [weekly.run(options["week"])] if options["week"] else weekly.run_until(timezone.now().date())
        except reviews.BadWeek as error:
            raise CommandError(str(error)) from error
        for review in made:
            if options["json"]:
                self.stdout.write(json.dumps(told.review(review)))
            else:
                self.stdout.write(f"{review.week} · {review.sha256[:12]}")
                for line in review.result["headlines"]:
                    self.stdout.write(f"  {line}")
        if not made and not options["json"]:
            self.stdout.write("Nothing to do: every week that is over has its review.")
