"""Clients and their keys: made once and shown once, revoked for good."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from routing import clients
from routing.forms import KeyForm
from routing.models import Client, ClientKey
from routing.terms.words import Group
from routing.views.access import actor, may, page


@page()
def every(request: HttpRequest) -> HttpResponse:
    return _show(request, KeyForm() if may(request, Group.ADMIN) else None)


@page(Group.ADMIN, "POST")
def create_key(request: HttpRequest) -> HttpResponse:
    """A new key on the page that answers, and nowhere else: there is no address at which it could be read again."""
    form = KeyForm(request.POST)
    if not form.is_valid():
        return _show(request, form, status=422)
    data, maker = form.cleaned_data, request.user
    try:
        made = clients.create_key(
            data["client"],
            by=actor(request),
            scopes=data["scopes"],
            project=data["project"] or None,
            budget_usd=data["budget_usd"],
            expires_at=data["expires_at"],
            maker=maker if isinstance(maker, User) else None,
        )
    except clients.Refused as error:
        form.add_error(None, str(error))
        return _show(request, form, status=422)
    return _show(request, KeyForm(), made=made)


@page(Group.ADMIN, "POST")
def revoke_key(request: HttpRequest, prefix: str) -> HttpResponse:
    if not ClientKey.objects.filter(prefix=prefix).exists():
        raise Http404(f"There is no key {prefix!r}.")
    if clients.revoke_key(prefix, by=actor(request), reason=request.POST.get("reason", "").strip()[:2000]):
        messages.success(request, f"The key {prefix} is revoked. Every worker refuses it within seconds.")
    else:
        messages.info(request, f"The key {prefix} was revoked before.")
    # The client's page where the button stood there; no address is taken from the form.
    client = ClientKey.objects.values_list("client__slug", flat=True).get(prefix=prefix)
    home = reverse("client", args=[client])
    return redirect(home if request.POST.get("from") == home else "clients")


def _show(request: HttpRequest, form: KeyForm | None, *, status: int = 200, **context: Any) -> HttpResponse:
    keys = Prefetch("keys", ClientKey.objects.select_related("made_by").order_by("revoked_at", "-created_at"))
    rows = Client.objects.select_related("project", "default_task_type").prefetch_related(keys).order_by("slug")
    response = render(
        request,
        "routing/clients.html",
        {"clients": rows, "form": form, "now": timezone.now(), **context},
        status=status,
    )
    response["Cache-Control"] = "no-store"
    return response
