"""What every page shows: who is here, which revision is in force, what waits, what is not as it should be."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from analytics.models import Proposal
from routing import alerts, people
from routing.models import Provider
from routing.terms.words import Group, ProposalStatus
from routing.versions import current_revision


@dataclass(frozen=True, slots=True)
class Notice:
    """A line over the page."""

    severity: str
    text: str
    url: str = ""
    link: str = ""


def console(request: HttpRequest) -> dict[str, Any]:
    """`console` for the sidebar, the notices and the footer, `may` for what a page offers. Nothing for who is not logged in, or a part."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {}
    group = people.group_of(user)
    rank = people.RANK.index(group) if group else -1
    may = {str(each): people.RANK.index(each) <= rank for each in Group}
    if getattr(request, "htmx", False):
        return {"may": may}
    return {
        "may": may,
        "console": {
            "open_proposals": Proposal.objects.filter(status=ProposalStatus.OPEN).count(),
            "open_alerts": alerts.waiting().count(),
            "revision": current_revision(),
            "notices": _notices(),
        },
    }


def _notices() -> list[Notice]:
    simulated = Provider.objects.filter(simulate=True, enabled=True).order_by("slug").values_list("slug", flat=True)
    if not simulated:
        return []
    names = ", ".join(simulated)
    return [
        Notice("simulated", f"Simulated, because no key is set: {names}. Answers and figures of these are made up.")
    ]
