"""Connect: what to paste into each client so that it speaks to this Cortex, a key to paste with it, and whether its first call has come."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from routing import clients, snapshot
from routing.forms.client import FirstKeyForm
from routing.models import Call, Client, ClientKey
from routing.terms.ids import floor_of
from routing.terms.words import Group, ProviderKind, TaskKind
from routing.views.access import actor, may, page
from routing.views.guides import PLACEHOLDER, Told, guides

# A call's row comes behind its answer, and its id tells when it began: this far back each look goes again.
BEHIND = timedelta(minutes=5)
LONGEST_WAIT = timedelta(hours=1)  # after this the page stops asking by itself


@page()
def connect(request: HttpRequest) -> HttpResponse:
    form = FirstKeyForm(initial={"client": request.GET.get("client", "")}) if may(request, Group.ADMIN) else None
    return _show(request, form=form)


@page(Group.ADMIN, "POST")
def create_key(request: HttpRequest) -> HttpResponse:
    """The page with a new key in every setting, once; a client of a new name is made in the mode that was picked."""
    form, maker = FirstKeyForm(request.POST), request.user
    if not form.is_valid():
        return _show(request, form=form, status=422)
    name, mode = form.cleaned_data["client"], form.cleaned_data["mode"]
    try:
        if not Client.objects.filter(slug=name).exists():
            clients.save_client(name, {"mode": mode}, by=actor(request))
        made = clients.create_key(name, by=actor(request), maker=maker if isinstance(maker, User) else None)
    except clients.Refused as error:
        form.add_error("client", str(error))
        return _show(request, form=form, status=422)
    waiting = _waiting(ClientKey.objects.select_related("client").get(prefix=made.prefix), datetime.now(UTC))
    return _show(request, form=FirstKeyForm(), key=made.key, made=made, **waiting)


@page()
def arrived(request: HttpRequest) -> HttpResponse:
    """Whether a call with this key has come: a part of the page that asks again until it has, or a page for whoever has no script."""
    prefix = request.GET.get("prefix", "")
    key = ClientKey.objects.select_related("client").filter(prefix=prefix.replace("\0", "")).first()
    if key is None:
        raise Http404("There is no key of this prefix.")
    part = "#arrival" if request.htmx else ""  # type: ignore[attr-defined]
    response = render(request, f"routing/arrived.html{part}", _waiting(key, datetime.now(UTC), _moment(request)))
    response["Cache-Control"] = "no-store"
    return response


def _waiting(key: ClientKey, now: datetime, since: datetime | None = None) -> dict[str, Any]:
    """The key's newest call of those that a look has not seen yet: each look reads minutes of calls, whatever there is."""
    begin = max(since or key.created_at, key.created_at, now - LONGEST_WAIT)
    calls = Call.objects.filter(id__gte=floor_of(begin), key_prefix=key.prefix)
    again = {"prefix": key.prefix, "since": (now - BEHIND).isoformat()}
    return {
        "prefix": key.prefix,
        "client": key.client,
        "call": calls.order_by("-id").first(),
        "again_url": f"{reverse('connect-arrived')}?{urlencode(again)}",
        "is_tired": now - key.created_at > LONGEST_WAIT,
    }


def _moment(request: HttpRequest) -> datetime | None:
    try:
        found = datetime.fromisoformat(request.GET.get("since", ""))
    except ValueError:
        return None
    return found if found.tzinfo else None


def _show(
    request: HttpRequest, *, form: FirstKeyForm | None, key: str = PLACEHOLDER, status: int = 200, **context: Any
) -> HttpResponse:
    url = settings.PUBLIC_URL or request.build_absolute_uri("/").rstrip("/")
    task = _routed_task()
    shown = {
        "url": url,
        "task": task,
        "form": form,
        "guides": guides(
            Told(url, key, task or "TASK_TYPE", _model_of(ProviderKind.ANTHROPIC), _model_of(ProviderKind.OPENAI))
        ),
        "placeholder": PLACEHOLDER,
        **context,
    }
    response = render(request, "routing/connect.html", shown, status=status)
    response["Cache-Control"] = "no-store"
    return response


def _routed_task() -> str:
    """A task type of this table to show the way with; "" while none has a route."""
    table = snapshot.fresh().table
    chats = (slug for slug, task in table.task_types.items() if task.enabled and task.kind is TaskKind.CHAT)
    return next((slug for slug in chats if (slug, None, "") in table.routes), "")


def _model_of(kind: ProviderKind) -> str:
    """A model that calls may name as they do at this vendor; a word in capitals while the table has none."""
    table = snapshot.fresh().table
    chats = (each for each in table.models.values() if each.kind is TaskKind.CHAT and each.enabled)
    return next((each.upstream_id for each in chats if table.providers[each.provider].kind is kind), "YOUR_MODEL")
