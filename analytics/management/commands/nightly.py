"""`manage.py nightly`: the nights by hand; the same code as the schedule."""

import datetime as dt
import json
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from analytics import nightly

EARLIEST = dt.date(2020, 1, 1)  # before every call of a model


class Command(BaseCommand):
    help = "Run every missing or dirty night up to yesterday (UTC), or up to --as-of; --from and --to run each night between them again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as-of", type=_night, metavar="DATE")
        parser.add_argument("--from", dest="first", type=_night, metavar="DATE")
        parser.add_argument("--to", dest="last", type=_night, metavar="DATE")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        first, last = options["first"], options["last"]
        if (first is None) != (last is None) or (first and options["as_of"]):
            raise CommandError("Give --from together with --to, or --as-of alone.")
        if first and first > last:
            raise CommandError(f"--from {first} lies after --to {last}.")
        today = timezone.now().date()
        for night in (options["as_of"], first, last):
            if night and night < EARLIEST:
                raise CommandError(f"{night} is no night to run: the earliest is {EARLIEST}.")
            if night and night > today:
                raise CommandError(f"{night} has not come yet: the latest night to run is today's, {today}.")
        yesterday = today - dt.timedelta(days=1)
        nights = nightly.run_between(first, last) if first else nightly.run_until(options["as_of"] or yesterday)
        for one in nights:
            if options["json"]:
                self.stdout.write(
                    json.dumps(
                        {
                            "night": str(one.night),
                            "items": one.items,
                            "comparisons": one.comparisons,
                            "verdicts": one.verdicts,
                            "sha256": one.sha256,
                        }
                    )
                )
            else:
                self.stdout.write(
                    f"{one.night}: {one.items:,} work items, {one.comparisons} comparisons, {one.verdicts} proved · {one.sha256[:12]}"
                )
        if options["json"]:
            return
        if not nights:
            self.stdout.write("Nothing to do: every night is done.")
        if first and (waiting := sum(night > last for night in nightly.pending(yesterday))):
            self.stdout.write(
                f"{waiting} later night{'s wait' if waiting > 1 else ' waits'} to be run again: manage.py nightly"
            )


def _night(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a date: write it as 2026-11-21") from None
