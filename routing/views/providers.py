"""Providers: whether they can be reached, their ways in, what of them rests and for how long, and the end of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from routing import circuits, credentials, gauges, inventory, local, queries
from routing.forms import SecretForm
from routing.inventory import CredentialNow
from routing.models import Model, Provider, Route, RouteStep
from routing.terms.words import Group
from routing.views.access import actor, page


@dataclass(frozen=True, slots=True)
class Rest:
    """Something of a provider that is not called for a while."""

    what: str  # "codex", "the credential main", or all of it
    state: str  # a word of the console's states
    until: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class ProviderCard:
    row: Provider
    now: dict[str, Any]  # as GET /status tells it
    credentials: list[CredentialNow]
    rests: list[Rest]
    models: int
    lately: dict[str, Any]  # attempts of the last hour; {} when there was none
    plan: str  # "on" or "off" where local routes begin with it, else ""

    @property
    def state(self) -> str:
        return "disabled" if not self.row.enabled else "ready" if self.now["ready"] else "not_ready"


@page()
def providers(request: HttpRequest) -> HttpResponse:
    known, ways = queries.status(), inventory.credentials_now()
    state = {each["provider"]: each for each in known["providers"]}
    lately = gauges.statistics(timezone.now())
    models = list(Model.objects.values_list("provider__slug", flat=True))
    cards = [
        ProviderCard(
            row=row,
            now=state[row.slug],
            credentials=[each for each in ways if each.provider == row.slug],
            rests=_rests(known, row.slug),
            models=models.count(row.slug),
            lately=lately.get(row.slug, {}),
            plan=_plan(row.slug),
        )
        for row in Provider.objects.order_by("-enabled", "imported", "slug")
        if row.slug in state
    ]
    context = {"cards": cards, "resting": any(card.rests for card in cards)}
    part = "#cards" if request.htmx else ""  # type: ignore[attr-defined]
    return render(request, f"routing/providers.html{part}", context)


def _plan(provider: str) -> str:
    """Whether routes that begin with this provider wait for it, or others wait behind them."""
    ours = RouteStep.objects.filter(position=0, model__provider__slug=provider)
    tasks = set(ours.values_list("route__task_type", "route__project"))
    aside = set(Route.objects.filter(condition=local.ASIDE).values_list("task_type", "project"))
    if tasks & aside:
        return "on"
    return "off" if ours.filter(route__condition=local.PLANNED).exists() else ""


def _rests(known: dict[str, Any], provider: str) -> list[Rest]:
    """Cooldowns and open circuits of a provider."""
    cooling = [
        Rest(
            what=each["model"] or (f"credential {each['credential']}" if each["credential"] else "all of it"),
            state="cooldown",
            until=_moment(each["until"]),
            reason=each["reason"],
        )
        for each in known["cooldowns"]
        if each["provider"] == provider
    ]
    broken = [
        Rest(
            each["model"],
            "half_open" if each["state"] == "half_open" else "circuit_open",
            _moment(each["retry_at"]),
            each["reason"],
        )
        for each in known["circuits"]
        if each["provider"] == provider
    ]
    return cooling + broken


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@page(Group.OPERATOR, "POST")
def reset(request: HttpRequest, provider: str) -> HttpResponse:
    """End the provider's cooldowns, circuits and not-ready marks, on every worker."""
    if not Provider.objects.filter(slug=provider).exists():
        raise Http404(f"There is no provider {provider!r}.")
    _say(request, provider, circuits.reset(provider, by=actor(request)))
    return redirect("providers")


@page(Group.OPERATOR, "POST")
def reset_all(request: HttpRequest) -> HttpResponse:
    """The same for every provider."""
    _say(request, "Every provider", circuits.reset(by=actor(request)))
    return redirect("providers")


def _say(request: HttpRequest, who: str, ended: int) -> None:
    if ended:
        messages.success(request, f"{who}: {ended} rest{'' if ended == 1 else 's'} ended. Calls go there again.")
    else:
        messages.info(request, f"{who}: nothing was resting.")


@page(Group.ADMIN, "GET", "HEAD", "POST")
def secret(request: HttpRequest, key: str) -> HttpResponse:
    """Store a secret, which no page ever shows. It is no part of the table: no revision, an audit event."""
    way = next((each for each in inventory.credentials_now() if each.key == key), None)
    if way is None:
        raise Http404(f"There is no credential {key!r}.")
    form = SecretForm(request.POST if request.method == "POST" else None, oauth=way.oauth)
    if form.is_valid():
        credentials.store(way.provider, way.name, form.given(), by=actor(request))
        messages.success(request, f"The secret of {key} is stored, encrypted. Calls use it within seconds.")
        return redirect("providers")
    part = "#secret" if request.htmx else ""  # type: ignore[attr-defined]
    response = render(
        request, f"routing/secret.html{part}", {"way": way, "form": form}, status=422 if form.is_bound else 200
    )
    response["Cache-Control"] = "no-store"
    return response


@page(Group.ADMIN, "POST")
def forget(request: HttpRequest, key: str) -> HttpResponse:
    """Forget a stored secret; what stands in the server's environment serves again, where there is such."""
    provider, _, name = key.partition(":")
    try:
        credentials.clear(provider, name, by=actor(request))
    except credentials.Unknown as error:
        raise Http404(str(error)) from error
    messages.success(request, f"The secret of {key} is forgotten.")
    return redirect("providers")
