"""Edit one part of the routing table that is no route: a provider, a model, a quota, a curve … Preview, publish with a reason, remove."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect, HttpResponseClientRefresh

from routing import changes, snapshot
from routing.document import Invalid
from routing.document.rows import DEFINITION
from routing.document.table import key_of
from routing.document.writing import moves
from routing.forms.part import PartForm, key_fields
from routing.forms.parts import FORMS
from routing.models import Credential, Revision
from routing.terms.words import Group
from routing.versions import current_revision
from routing.views import curve_plot, publishing
from routing.views.access import actor, page
from routing.views.rearranging import rearranged

CREDENTIALS = "credentials"  # only an admin touches these


@dataclass(frozen=True, slots=True)
class Kind:
    """A section as people call it, and the page that lists it."""

    noun: str
    home: str


KINDS = {
    "providers": Kind("provider", "providers"),
    "credentials": Kind("credential", "providers"),
    "models": Kind("model", "models"),
    "quotas": Kind("quota", "quotas"),
    "curves": Kind("curve", "quotas"),
    "projects": Kind("project", "task-types"),
    "task_types": Kind("task type", "task-types"),
    "rules": Kind("rule", "task-types"),
}


@dataclass(frozen=True, slots=True)
class Editing:
    """Which part is edited; `key` "" while it is being made."""

    section: str
    key: str = ""
    part: Mapping[str, Any] | None = None  # as the table has it

    @classmethod
    def of(cls, section: str, key: str = "") -> "Editing":
        if section not in KINDS:
            raise Http404(f"There is no section {section!r}.")
        subject = publishing.Subject(section, key, "", "")
        found = subject.now() if key else None
        if key and found is None:
            raise Http404(f"There is no {KINDS[section].noun} {key!r}.")
        return cls(section, key, found)

    @property
    def kind(self) -> Kind:
        return KINDS[self.section]

    @property
    def title(self) -> str:
        return f"Edit {self.key}" if self.key else f"New {self.kind.noun}"

    @property
    def url(self) -> str:
        return (
            reverse("part-edit", args=[self.section, self.key])
            if self.key
            else reverse("part-new", args=[self.section])
        )

    @property
    def remove_url(self) -> str:
        return reverse("part-remove", args=[self.section, self.key])

    @property
    def home(self) -> str:
        return reverse(self.kind.home)

    @property
    def keys(self) -> dict[str, Any]:
        return {name: self.part[name] for name in key_fields(self.section)} if self.part else {}

    def subject(self, form: PartForm | None = None) -> publishing.Subject:
        key = self.key or (key_of(self.section, form.part()) if form else "")
        return publishing.Subject(self.section, key, f"the {self.kind.noun} {key}", self.url)

    def empty(self, request: HttpRequest) -> PartForm:
        """The form as it is first shown; what the address says is filled in already."""
        form, revision = FORMS[self.section], current_revision()
        if self.part is not None:
            return form.of(self.part, revision, self.keys)
        told = {name: request.GET[name] for name in form.base_fields if name in request.GET}
        return form(initial={**form.fresh(), **told, "revision": revision})


@page(Group.OPERATOR, "GET", "HEAD", "POST")
def new(request: HttpRequest, section: str) -> HttpResponse:
    return _edit(request, Editing.of(_open(section)))


@page(Group.OPERATOR, "GET", "HEAD", "POST")
def edit(request: HttpRequest, section: str, key: str) -> HttpResponse:
    return _edit(request, Editing.of(_open(section), key))


@page(Group.OPERATOR, "POST")
def remove(request: HttpRequest, section: str, key: str) -> HttpResponse:
    return _remove(request, Editing.of(_open(section), key))


@page(Group.ADMIN, "GET", "HEAD", "POST")
def new_credential(request: HttpRequest) -> HttpResponse:
    return _edit(request, Editing.of(CREDENTIALS))


@page(Group.ADMIN, "GET", "HEAD", "POST")
def edit_credential(request: HttpRequest, key: str) -> HttpResponse:
    return _edit(request, Editing.of(CREDENTIALS, key))


@page(Group.ADMIN, "POST")
def remove_credential(request: HttpRequest, key: str) -> HttpResponse:
    return _remove(request, Editing.of(CREDENTIALS, key))


def _open(section: str) -> str:
    """The section, for operators too. Credentials have addresses of their own."""
    if section == CREDENTIALS:
        raise Http404("Credentials are edited elsewhere.")
    return section


def _edit(request: HttpRequest, editing: Editing) -> HttpResponse:
    if request.method != "POST":
        return _show(request, editing, editing.empty(request))
    changed = rearranged(request.POST)
    if changed is not None:
        return _show(request, editing, FORMS[editing.section](changed, keys=editing.keys))
    form = FORMS[editing.section](request.POST, keys=editing.keys)
    if not form.is_valid():
        return _show(request, editing, form, status=422)
    if not editing.key and editing.subject(form).now() is not None:
        form.add_error(key_fields(editing.section)[-1], f"There is a {editing.kind.noun} of this name already.")
        return _show(request, editing, form, status=422)
    if request.POST.get("do") == "publish":
        return _publish(request, editing, form)
    return _preview(request, editing, form)


def _preview(request: HttpRequest, editing: Editing, form: PartForm, status: int = 200, **context: Any) -> HttpResponse:
    """The form with what publishing it would change."""
    found = publishing.preview(editing.subject(form), form)
    if found is None:
        return _show(request, editing, form, status=422)
    shown = {**found, "warnings": list(_effects(editing, form.part()))}
    return _show(request, editing, form, status=status, preview=shown, **context)


def _publish(request: HttpRequest, editing: Editing, form: PartForm) -> HttpResponse:
    if form.cleaned_data["previewed"] != form.fingerprint():
        return _preview(request, editing, form, status=409, moved=True)
    if not form.cleaned_data["reason"]:
        form.add_error("reason", "Say why: it is kept with the change.")
        return _preview(request, editing, form, status=422)
    subject = editing.subject(form)
    try:
        published = publishing.publish(subject, form, by=actor(request))
    except changes.Stale as stale:
        merged, told = publishing.conflict(subject, form, request.POST, stale)
        return _preview(request, editing, merged, status=409, conflict=told)
    except Invalid as error:
        form.take(error.problems)
        return _show(request, editing, form, status=422)
    return _published(request, editing, subject, published)


def _published(request: HttpRequest, editing: Editing, subject: publishing.Subject, made: Revision) -> HttpResponse:
    """Back to the page that the editor lay over, or to the list of its kind."""
    messages.success(request, f"{subject.what[4:].capitalize()}: revision {made.number} is in force.")
    htmx = request.htmx  # type: ignore[attr-defined]
    if not htmx:
        return redirect(editing.home)
    here = (htmx.current_url_abs_path or "").split("?")[0]
    return (
        HttpResponseClientRedirect(editing.home) if here == editing.url.split("?")[0] else HttpResponseClientRefresh()
    )


def _remove(request: HttpRequest, editing: Editing) -> HttpResponse:
    try:
        refused = publishing.remove(request, editing.subject(), by=actor(request))
    except changes.Unknown as error:
        raise Http404(str(error)) from error
    return refused or redirect(editing.home)


def _effects(editing: Editing, part: Mapping[str, Any]) -> Iterator[str]:
    """What a change brings about that its lines do not say."""
    old = editing.part
    if old is None:
        return
    if editing.section == "providers" and moves({**old}, {**old, **part}):
        stored = Credential.objects.filter(provider__slug=editing.key).exclude(secret=None).count()
        if stored:
            yield "A stored secret never goes to another address: the secrets of this provider are forgotten. Enter them anew."
    if editing.section == "models" and old["upstream_id"] != part["upstream_id"]:
        yield "Another model answers under this name: what was measured so far is no evidence for it."
    if editing.section == "task_types" and any(part.get(name, old[name]) != old[name] for name in DEFINITION):
        yield "What a success is changes: the evidence of this task type begins anew."


def _show(request: HttpRequest, editing: Editing, form: PartForm, *, status: int = 200, **context: Any) -> HttpResponse:
    shown = {"editing": editing, "form": form, **_beside(editing, form), **context}
    part = "#editor" if request.htmx else ""  # type: ignore[attr-defined]
    response = render(request, f"routing/part.html{part}", shown, status=status)
    if editing.section == CREDENTIALS:
        response["Cache-Control"] = "no-store"
    return response


def _beside(editing: Editing, form: PartForm) -> dict[str, Any]:
    """What a form shows that is no field of it."""
    if editing.section == "curves":
        known = snapshot.fresh()
        steps = form["steps"].value() or []
        models = sorted(name for name, keys in known.table.names.items() if len(keys) == 1 and ":" not in name)
        return {"steps": steps, "models": models, "figure": curve_plot.figure(steps, least_gap=10)}
    if editing.section == CREDENTIALS and editing.key:
        row = Credential.objects.filter(provider__slug=editing.keys["provider"], name=editing.keys["name"]).first()
        return {"credential": row, "has_secret": row is not None and row.secret is not None}
    return {}
