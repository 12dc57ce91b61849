"""One client: what its model names mean, what was observed and what that suggests, how it is set up, its keys."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from routing import adoption, clients, snapshot, suggestions
from routing.forms.client import ClientKeyForm, NewClientForm
from routing.models import Budget, Client, ClientKey, TaskType
from routing.terms.words import ClientMode, Group
from routing.views.access import actor, may, page

OTHER = {ClientMode.OBSERVE: ClientMode.ROUTE, ClientMode.ROUTE: ClientMode.OBSERVE}


def of(slug: str) -> Client:
    """The client of an address. Raises Http404."""
    rows = Client.objects.select_related("project", "default_task_type").prefetch_related("mapping__task_type")
    found = rows.filter(slug=slug.replace("\0", "")).first()
    if found is None:
        raise Http404(f"There is no client {slug!r}.")
    return found


@page()
def client(request: HttpRequest, slug: str) -> HttpResponse:
    """The page, or the answer to "what would this name mean?" where htmx asks."""
    row = of(slug)
    if request.htmx and "try" in request.GET:  # type: ignore[attr-defined]
        return render(request, "routing/client.html#meaning", {"client": row, **_tried(request, row)})
    return _show(request, row)


@page(Group.OPERATOR, "GET", "HEAD", "POST")
def new(request: HttpRequest) -> HttpResponse:
    """A client without a key: it is set up first, and can call once it is given one."""
    form = NewClientForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        data = dict(form.cleaned_data)
        slug = data.pop("slug")
        if Client.objects.filter(slug=slug).exists():
            form.add_error("slug", "There is a client of this name already.")
        else:
            try:
                clients.save_client(slug, data, by=actor(request))
            except clients.Refused as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, f"The client {slug} is there. It calls with a key: make one below.")
                return redirect("client", slug=slug)
    return render(request, "routing/client_new.html", {"form": form}, status=422 if form.errors else 200)


@page(Group.OPERATOR, "POST")
def mode(request: HttpRequest, slug: str) -> HttpResponse:
    """Observe or route, from now on; only if it is still as the page said when it told what would change."""
    row = of(slug)
    try:
        wanted, version = ClientMode(request.POST.get("mode", "")), _number(request.POST.get("version"))
        clients.save_client(slug, {"mode": wanted}, by=actor(request), version=version)
    except ValueError:
        messages.error(request, "Nothing was changed: a client is in mode observe or route.")
    except clients.Stale:
        messages.error(
            request, f"{row.slug} was changed meanwhile. Nothing was done: look once more at what would change."
        )
    else:
        said = "its mapping decides" if wanted is ClientMode.ROUTE else "it is served by the models that it names"
        messages.success(request, f"{row.slug} is in mode {wanted}: {said} from its next call on.")
    return redirect("client", slug=slug)


@page(Group.OPERATOR, "POST")
def accept(request: HttpRequest, slug: str) -> HttpResponse:
    """A suggestion becomes a rule of the mapping, of the task type that was picked beside it."""
    requested, task = request.POST.get("requested", "").strip(), request.POST.get("task_type", "")
    of(slug)
    try:
        adoption.accept(slug, requested, task.replace("\0", ""), by=actor(request))
    except clients.Refused as error:
        messages.error(request, f"Nothing was changed. {error}")
    else:
        messages.success(request, f"{requested} means {task} from now on.")
    return _adopted(request, slug)


@page(Group.OPERATOR, "POST")
def ignore(request: HttpRequest, slug: str) -> HttpResponse:
    """Suggest it no more; with `undo`, again."""
    requested, undo = request.POST.get("requested", "").strip(), bool(request.POST.get("undo"))
    of(slug)
    try:
        adoption.ignore(slug, requested, by=actor(request), undo=undo)
    except clients.Refused as error:
        messages.error(request, f"Nothing was changed. {error}")
    else:
        told = "is suggested again" if undo else "is ignored; its calls are served as before"
        messages.success(request, f"{requested} {told}.")
    return _adopted(request, slug)


@page(Group.ADMIN, "POST")
def create_key(request: HttpRequest, slug: str) -> HttpResponse:
    """A new key on the page that answers, and nowhere else."""
    row, form, maker = of(slug), ClientKeyForm(request.POST), request.user
    if not form.is_valid():
        return _show(request, row, status=422, key_form=form)
    try:
        made = clients.create_key(
            row.slug, by=actor(request), maker=maker if isinstance(maker, User) else None, **form.cleaned_data
        )
    except clients.Refused as error:
        form.add_error(None, str(error))
        return _show(request, row, status=422, key_form=form)
    return _show(request, row, made=made)


def _adopted(request: HttpRequest, slug: str) -> HttpResponse:
    """The page again, or the part of it that an accepted or ignored suggestion changes."""
    if not request.htmx:  # type: ignore[attr-defined]
        return redirect(f"{reverse('client', args=[slug])}#observed")
    return _show(request, of(slug), part="#adoption")


def _show(request: HttpRequest, row: Client, *, part: str = "", status: int = 200, **context: Any) -> HttpResponse:
    # The page of a request that has just changed the table must not show what was before it.
    snapshot.fresh()
    keys = ClientKey.objects.filter(client=row).select_related("made_by").order_by("-revoked_at", "-created_at")
    shown = {
        "client": row,
        "observed": suggestions.observed(row),
        "days": suggestions.DAYS,
        "tasks": list(TaskType.objects.filter(enabled=True).order_by("slug").values_list("slug", flat=True)),
        "other_mode": OTHER[ClientMode(row.mode)],
        "keys": keys,
        "budget": Budget.objects.filter(scope=f"client:{row.slug}").first(),
        "key_form": ClientKeyForm() if may(request, Group.ADMIN) else None,
        "now": timezone.now(),
        "is_part": bool(part),
        **_tried(request, row),
        **context,
    }
    response = render(request, f"routing/client.html{part}", shown, status=status)
    response["Cache-Control"] = "no-store"
    return response


def _tried(request: HttpRequest, row: Client) -> Mapping[str, Any]:
    name = request.GET.get("try", "").replace("\0", "").strip()
    return {"try": name, "meaning": adoption.meaning(row, name) if name else None}


def _number(text: str | None) -> int:
    """Raises ValueError for what is no version of a row."""
    if not (text and text.isascii() and text.isdecimal() and len(text) < 10):
        raise ValueError(f"{text!r} is no version")
    return int(text)
