"""`manage.py proposals`: the same decisions, under the same rules, from a terminal."""

import json
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from analytics import proposals, queries, told
from analytics.models import Proposal
from routing import people
from routing.audit import Actor
from routing.document.table import Invalid
from routing.terms.words import Group, ProposalStatus


class Command(BaseCommand):
    help = "List, show, approve, reject or revert proposals."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="proposals, the newest first")
        listing.add_argument("--status", choices=[str(word) for word in ProposalStatus])
        listing.add_argument("--task", metavar="TASK_TYPE")
        show = actions.add_parser("show", help="one proposal with its evidence")
        show.add_argument("id", type=int)
        for name, does in (
            ("approve", "publish the proposed route"),
            ("reject", "close it"),
            ("revert", "undo an approval"),
        ):
            decision = actions.add_parser(name, help=does)
            decision.add_argument("id", type=int)
            decision.add_argument(
                "--by", metavar="USER", help="who decides: a user name of the console (default: the only one who may)"
            )
            decision.add_argument("--comment", default="")
        for each in actions.choices.values():
            each.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "list":
            return self._list(options)
        try:
            found = self._one(options)
        except (proposals.Unknown, proposals.Conflict, proposals.Forbidden, Invalid) as error:
            raise CommandError(str(error)) from error
        return self._show(found, as_json=options["json"])

    def _one(self, options: dict[str, Any]) -> Proposal:
        if options["action"] == "show":
            return proposals.get(options["id"])
        decide = {"approve": proposals.approve, "reject": proposals.reject, "revert": proposals.revert}[
            options["action"]
        ]
        return decide(options["id"], by=self._person(options["by"]), comment=options["comment"])

    def _person(self, name: str | None) -> Actor:
        if name is None:
            may = [one for one in get_user_model().objects.order_by("username") if people.may(one, Group.APPROVER)]
            if len(may) != 1:
                known = ", ".join(one.get_username() for one in may) or "nobody yet"
                raise CommandError(f"Say who decides: --by USER. Who may: {known}.")
            return Actor.of_user(may[0])
        user = get_user_model().objects.filter(username=name).first()
        if user is None:
            raise CommandError(f"There is no user {name!r}.")
        if not people.may(user, Group.APPROVER):
            raise CommandError(f"{name} may not decide proposals: that takes the group approver or admin.")
        return Actor.of_user(user)

    def _list(self, options: dict[str, Any]) -> None:
        found = list(queries.proposals(options["status"], options["task"])[:500])
        if options["json"]:
            return self.stdout.write(json.dumps({"items": [told.proposal(one) for one in found], "next": None}))
        for one in found:
            self.stdout.write(f"{one.pk:>5}  {one.status:<10}  {one.kind:<8}  {one.explanation}")
        if not found:
            self.stdout.write("No proposals.")
        return None

    def _show(self, one: Proposal, *, as_json: bool) -> None:
        if as_json:
            return self.stdout.write(json.dumps(told.proposal(one)))
        evidence = one.evidence
        self.stdout.write(f"Proposal {one.pk} · {one.kind} · {one.status}\n{one.explanation}")
        self.stdout.write(
            f"Evidence of {evidence.get('nights')} nights up to {evidence.get('as_of')}, data {one.evidence_sha256[:12]}:"
        )
        self.stdout.write(f"  E = {evidence.get('e_value'):.4g}, needed {evidence.get('threshold'):.4g}")
        if one.decided_at:
            self.stdout.write(
                f"{one.status} by {one.decided_by_name} at {one.decided_at:%Y-%m-%d %H:%M} UTC: {one.comment}"
            )
        if one.applied_revision:
            self.stdout.write(f"In force as revision {one.applied_revision}.")
        return None
