"""`manage.py prices`: what models cost and by whom that is said; `--check` tells what changed since it was last seen."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from routing import prices
from routing.prices import Priced


class Command(BaseCommand):
    help = "List every model's price with its source and what is to come; --check looks for changes of the catalogue."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="tell what changed since the last check, once")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["check"]:
            changed = prices.note_changes()
            told: list[Any] = [asdict(each) for each in changed]
            lines = [f"{each.model}: {each.words}" for each in changed] or ["No price of the catalogue changed."]
        else:
            found = prices.listed()
            told, lines = [asdict(each) for each in found], [_line(each) for each in found]
        self.stdout.write(json.dumps(told, default=str) if options["json"] else "\n".join(lines))


def _line(each: Priced) -> str:
    rates = _line_of(each.rates) if each.rates else "–"
    coming = f"; from {each.next_from:%Y-%m-%d} {_line_of(each.next_rates)}" if each.next_from else ""
    return f"{each.model:<32} {each.detail or each.source:<20} {rates}{coming}"


def _line_of(rates: dict[str, str]) -> str:
    """Service tiers are named alone: each is a price list of its own."""
    tiers = dict.fromkeys(name.partition(":")[0] for name in rates if ":" in name)
    also = [f"also {', '.join(tiers)}"] if tiers else []
    return ", ".join([f"{name} ${value}" for name, value in rates.items() if ":" not in name] + also) or "unpriced"
