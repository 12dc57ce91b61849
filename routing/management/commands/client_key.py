"""`manage.py client_key create`: a key for a client, printed once."""

import json
from argparse import ArgumentParser
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from routing import clients
from routing.audit import Actor
from routing.terms.words import Scope

SMALLEST_USD = Decimal("1e-10")  # what the column can tell from nothing


class Command(BaseCommand):
    help = "Make or revoke a client's key."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="make a key and print it, once")
        create.add_argument("--client", required=True, help="the client's slug; made when it is new")
        create.add_argument("--project", help="the client's project")
        create.add_argument("--scopes", default=",".join(clients.DEFAULT_SCOPES), help=f"of {', '.join(Scope)}")
        create.add_argument("--budget-usd", help="what the key may spend a month")
        create.add_argument("--json", action="store_true")
        revoke = actions.add_parser("revoke", help="end a key for good")
        revoke.add_argument("prefix", help="the visible part: ck_ab12")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "revoke":
            self._revoke(options["prefix"])
        else:
            self._create(options)

    def _create(self, options: dict[str, Any]) -> None:
        try:
            made = clients.create_key(
                options["client"],
                by=Actor("command line"),
                scopes=_scopes(options["scopes"]),
                project=options["project"],
                budget_usd=_usd(options["budget_usd"]),
            )
        except clients.Refused as error:
            raise CommandError(str(error)) from None
        if options["json"]:
            told = {"client": made.client, "key": made.key, "prefix": made.prefix, "scopes": list(made.scopes)}
            self.stdout.write(json.dumps(told))
            return
        self.stdout.write(made.key)
        self.stderr.write(f"Key {made.prefix} of {made.client}, for {', '.join(made.scopes)}. It is not shown again.")

    def _revoke(self, prefix: str) -> None:
        if not clients.revoke_key(prefix, by=Actor("command line")):
            raise CommandError(f"There is no live key {prefix}.")
        self.stdout.write(f"{prefix} is revoked.")


def _scopes(text: str) -> list[Scope]:
    try:
        scopes = [Scope(word.strip()) for word in text.split(",") if word.strip()]
    except ValueError as error:
        raise CommandError(f"{error}; scopes are {', '.join(Scope)}.") from None
    if not scopes:
        raise CommandError(f"--scopes names none; scopes are {', '.join(Scope)}.")
    return scopes


def _usd(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise CommandError(f"--budget-usd {text}: not a number.") from None
    if not amount.is_finite() or not SMALLEST_USD <= amount < 10**9:
        raise CommandError(f"--budget-usd {text}: must be more than 0 and less than a billion.")
    return round(amount, 10)
