"""Models: the catalogue with its tiers and roles, what ends soon, and one model in full with the chain that follows it."""

from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from routing import inventory
from routing.forms import CatalogueFilter
from routing.inventory import Entry
from routing.policy.table import TIERS
from routing.views.access import page

ENDING = ("retired", "retiring", "deprecated")


@dataclass(frozen=True, slots=True)
class Tier:
    """A row of the matrix: what each provider has in this tier."""

    name: str
    cells: list[list[Entry]]


@page()
def models(request: HttpRequest) -> HttpResponse:
    """The whole catalogue, or the rows that fit where htmx asks."""
    known = inventory.entries()
    form = CatalogueFilter(request.GET, entries=known)
    providers = list(dict.fromkeys(each.now.provider for each in known if each.now.tier in TIERS))
    context = {
        "form": form,
        "entries": [each for each in known if form.takes(each)],
        "total": len(known),
        "providers": providers,
        "tiers": [Tier(tier, [_cell(known, tier, provider) for provider in providers]) for tier in TIERS],
        "roles": sorted((each for each in known if each.now.role), key=lambda each: each.now.role),
        "ending": sorted(
            (each for each in known if each.lifecycle in ENDING and each.now.enabled),
            key=lambda each: (not each.routes, each.days_left is None, each.days_left),
        ),
    }
    part = "#rows" if request.htmx else ""  # type: ignore[attr-defined]
    return render(request, f"routing/models.html{part}", context)


def _cell(known: list[Entry], tier: str, provider: str) -> list[Entry]:
    return [each for each in known if each.now.tier == tier and each.now.provider == provider]


@page()
def model(request: HttpRequest, key: str) -> HttpResponse:
    """One model: what it is, what it costs since when, who uses it, and what is tried when it fails."""
    entry = next((each for each in inventory.entries() if each.now.key == key), None)
    if entry is None:
        raise Http404(f"There is no model {key!r}.")
    chain = inventory.chain_of(key)
    context = {"entry": entry, "chain": chain, "has_api_key": not chain or chain[-1].reason != "no API key"}
    return render(request, "routing/model.html", context)
