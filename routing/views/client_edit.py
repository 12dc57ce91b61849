"""Edit a client: how it is set up, and its mapping rule by rule. Each is one form, beside the client's page or a page of its own."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from routing import clients
from routing.forms.client import ClientForm, MappingForm
from routing.models import AuditEvent, Client, TaskType
from routing.terms.words import Group
from routing.views.access import actor, page
from routing.views.client import of
from routing.views.wording import Line, plain

COLUMNS = ("mapping-requested", "mapping-task_type")


@page(Group.OPERATOR, "GET", "HEAD", "POST")
def settings(request: HttpRequest, slug: str) -> HttpResponse:
    """Name, project, default task type, allowed models, limits, and whether it may call at all."""
    row = of(slug)
    if request.method != "POST":
        return _show(request, row, ClientForm(initial={**clients.told(row), "version": row.version}))
    form = ClientForm(request.POST)
    if not form.is_valid():
        return _show(request, row, form, status=422)
    return _save(request, row, form, form.fields_of(), f"{row.slug} is set up so from its next call on.")


@page(Group.OPERATOR, "GET", "HEAD", "POST")
def mapping(request: HttpRequest, slug: str) -> HttpResponse:
    """Rules in an order: the buttons of a line bring the form back with them moved, and only Save changes anything."""
    row = of(slug)
    if request.method != "POST":
        told = {"mapping": clients.told(row)["mapping"], "version": row.version}
        return _show(request, row, MappingForm(initial=told))
    moved = rearranged(request.POST)
    if moved is not None:
        return _show(request, row, MappingForm(moved))
    form = MappingForm(request.POST)
    if not form.is_valid():
        return _show(request, row, form, status=422)
    count = len(form.cleaned_data["mapping"])
    said = f"{row.slug} has {count} rule{'' if count == 1 else 's'}, in force from its next call on."
    return _save(request, row, form, {"mapping": form.cleaned_data["mapping"]}, said)


def rearranged(data: QueryDict) -> QueryDict | None:
    """The rules after one of the buttons of their lines, which name a line counted from 0; None when another button was pressed."""
    act = next((name for name in ("add-line", "drop-line", "up", "down") if name in data), None)
    if act is None:
        return None
    found, text = data.copy(), str(data[act])
    place = int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else -1
    for column in COLUMNS:
        values = data.getlist(column)
        if act == "add-line":
            values.append("")
        elif 0 <= place < len(values):
            value = values.pop(place)
            if act != "drop-line":
                values.insert(max(place + (1 if act == "down" else -1), 0), value)
        found.setlist(column, values)
    return found


def _save(
    request: HttpRequest, row: Client, form: ClientForm | MappingForm, fields: Mapping[str, Any], said: str
) -> HttpResponse:
    try:
        clients.save_client(row.slug, fields, by=actor(request), version=form.cleaned_data["version"])
    except clients.Stale:
        return _conflict(request, row, form, fields)
    except clients.Refused as error:
        form.add_error(None, str(error))
        return _show(request, row, form, status=422)
    messages.success(request, said)
    home = reverse("client", args=[row.slug])
    return HttpResponseClientRedirect(home) if request.htmx else redirect(home)  # type: ignore[attr-defined]


def _conflict(
    request: HttpRequest, row: Client, form: ClientForm | MappingForm, fields: Mapping[str, Any]
) -> HttpResponse:
    """Another was first: who, and what differs. What was typed stays, and saving it once more replaces theirs."""
    row = of(row.slug)
    last = AuditEvent.objects.filter(subject=f"client:{row.slug}").first()
    now = clients.told(row)
    told = {
        "who": last.actor_name if last else "",
        "when": last.at if last else None,
        "lines": [_line(name, now[name], value) for name, value in fields.items() if now[name] != value],
    }
    data = request.POST.copy()
    data["version"] = str(row.version)
    return _show(request, row, type(form)(data), status=409, conflict=told)


def _line(field: str, before: Any, after: Any) -> Line:
    return Line(field.replace("_", " "), _text(field, before), _text(field, after))


def _text(field: str, value: Any) -> str | None:
    if field == "mapping":
        return "; ".join(f"{rule['requested']} → {rule['task_type']}" for rule in value) or None
    return plain(value)


def _show(request: HttpRequest, row: Client, form: forms.Form, *, status: int = 200, **context: Any) -> HttpResponse:
    is_mapping = isinstance(form, MappingForm)
    shown = {
        "client": row,
        "form": form,
        "is_mapping": is_mapping,
        "title": f"What {row.slug} means" if is_mapping else f"Set up {row.slug}",
        "url": reverse("client-mapping" if is_mapping else "client-edit", args=[row.slug]),
        "tasks": list(TaskType.objects.filter(enabled=True).order_by("slug").values_list("slug", flat=True)),
        **context,
    }
    part = "#editor" if request.htmx else ""  # type: ignore[attr-defined]
    return render(request, f"routing/client_edit.html{part}", shown, status=status)
