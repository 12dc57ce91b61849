"""Models and providers: the tier matrix, each provider with its credentials and models, and the end of its cooldowns."""

from dataclasses import dataclass

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from routing import catalogue, circuits, queries
from routing.catalogue import ModelNow
from routing.models import Provider, Quota
from routing.policy.table import TIERS
from routing.terms.words import Group
from routing.views.access import actor, page


@dataclass(frozen=True, slots=True)
class ProviderCard:
    row: Provider
    now: dict[str, object]  # as GET /status tells it
    models: list[ModelNow]


@page()
def models(request: HttpRequest) -> HttpResponse:
    known = list(catalogue.models_now().values())
    state = {each["provider"]: each for each in queries.status()["providers"]}
    cards = [
        ProviderCard(row, state[row.slug], [model for model in known if model.provider == row.slug])
        for row in Provider.objects.order_by("imported", "slug")
        if row.slug in state
    ]
    providers = [card.row.slug for card in cards if any(model.tier in TIERS for model in card.models)]
    context = {
        "cards": cards,
        "providers": providers,
        "tiers": [(tier, [_of(known, tier, provider) for provider in providers]) for tier in TIERS],
        "roles": sorted((model for model in known if model.role), key=lambda model: model.role),
        "quotas": Quota.objects.order_by("slug"),
    }
    return render(request, "routing/models.html", context)


def _of(known: list[ModelNow], tier: str, provider: str) -> list[ModelNow]:
    return [model for model in known if model.tier == tier and model.provider == provider]


@page(Group.OPERATOR, "POST")
def reset(request: HttpRequest, provider: str) -> HttpResponse:
    """End the provider's cooldowns, circuits and not-ready marks, on every worker."""
    if not Provider.objects.filter(slug=provider).exists():
        raise Http404(f"There is no provider {provider!r}.")
    ended = circuits.reset(provider, by=actor(request))
    if ended:
        messages.success(request, f"{provider}: {ended} rest{'' if ended == 1 else 's'} ended. Calls go there again.")
    else:
        messages.info(request, f"{provider}: nothing was resting.")
    return redirect("models")
