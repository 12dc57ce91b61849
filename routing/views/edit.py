"""Edit one route: rearrange its chain, preview, publish with a reason. All of it is one form, which works as a plain page too."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event

from routing import catalogue, changes
from routing.document import Invalid, rows
from routing.document.table import full_part, key_of
from routing.forms import NewRouteForm, RouteForm
from routing.models import Revision, Route, TaskType
from routing.terms.words import Group
from routing.versions import current_revision
from routing.views import publishing
from routing.views.access import actor, page
from routing.views.rearranging import moved


@dataclass(frozen=True, slots=True)
class Named:
    """Which route is edited: of a task type, for all or for one project, always or under a condition."""

    task: TaskType
    project: str | None
    condition: str

    @classmethod
    def of(cls, request: HttpRequest, task: str) -> "Named":
        found = TaskType.objects.filter(slug=task).first()
        if found is None:
            raise Http404(f"There is no task type {task!r}.")
        return cls(found, request.GET.get("project") or None, request.GET.get("condition", ""))

    @property
    def keys(self) -> dict[str, Any]:
        return {"task_type": self.task.slug, "project": self.project, "condition": self.condition}

    @property
    def key(self) -> str:
        return key_of("routes", self.keys)

    @property
    def url(self) -> str:
        return self._url("route-edit")

    @property
    def remove_url(self) -> str:
        return self._url("route-remove")

    def _url(self, name: str) -> str:
        place = {name: value for name, value in (("project", self.project), ("condition", self.condition)) if value}
        return reverse(name, args=[self.task.slug]) + (f"?{urlencode(place)}" if place else "")

    @property
    def subject(self) -> publishing.Subject:
        return publishing.Subject("routes", self.key, f"the route {self.key}", self.url)

    def part(self) -> dict[str, Any]:
        """The route as the table has it; an empty one where there is none."""
        try:
            return full_part("routes", rows.dump()["routes"].get(self.key) or {**self.keys, "steps": []})
        except Invalid as error:
            raise Http404(str(error)) from error


@page(Group.OPERATOR, "GET", "HEAD", "POST")
def edit(request: HttpRequest, task: str) -> HttpResponse:
    """The editor of one route: the page, or its part where htmx asks."""
    route = Named.of(request, task)
    if request.method != "POST":
        return _show(request, route, RouteForm.of(route.part(), current_revision(), route.keys))
    rearranged = _rearranged(request.POST)
    if rearranged is not None:
        return _show(request, route, RouteForm(rearranged, keys=route.keys))
    form = RouteForm(request.POST, keys=route.keys)
    if not form.is_valid():
        return _show(request, route, form, status=422)
    if request.POST.get("do") == "publish":
        return _publish(request, route, form)
    return _preview(request, route, form)


@page(Group.OPERATOR)
def new(request: HttpRequest) -> HttpResponse:
    """Which route is to be made; then its editor, which begins empty or, where the route is there already, with it."""
    form = NewRouteForm(request.GET if "task_type" in request.GET else None)
    if form.is_bound and form.is_valid():
        data = form.cleaned_data
        return redirect(Named(data["task_type"], data["project"] and data["project"].slug, data["condition"]).url)
    part = "#new" if request.htmx else ""  # type: ignore[attr-defined]
    return render(request, f"routing/new.html{part}", {"form": form}, status=422 if form.is_bound else 200)


@page(Group.OPERATOR, "POST")
def remove(request: HttpRequest, task: str) -> HttpResponse:
    """Take the route out of the table. What it routed goes by the next one that fits, or by the tier chain."""
    route = Named.of(request, task)
    try:
        refused = publishing.remove(request, route.subject, by=actor(request))
    except changes.Unknown as error:
        raise Http404(str(error)) from error
    return refused or redirect("routing")


@page(Group.OPERATOR)
def picks(request: HttpRequest, task: str) -> HttpResponse:
    """The models that may be added to the chain and whose name, provider or tag has the words asked for."""
    route = Named.of(request, task)
    found = _choices(route, request.GET.getlist("steps"), request.GET.get("q", ""))
    return render(request, "routing/edit.html#picks", {"picks": found, "route": route, "q": request.GET.get("q", "")})


def _rearranged(data: QueryDict) -> QueryDict | None:
    """The form after one of the buttons of the chain; None when another button was pressed."""
    act = next((name for name in ("add", "remove", "up", "down") if data.get(name)), None)
    if act is None:
        return None
    changed = data.copy()
    changed.setlist("steps", moved(data.getlist("steps"), act, str(data[act])))
    changed["previewed"] = ""
    return changed


def _preview(request: HttpRequest, route: Named, form: RouteForm, status: int = 200, **context: Any) -> HttpResponse:
    """The form with what publishing it would change, and whom a call would reach now."""
    found = publishing.preview(route.subject, form)
    if found is None:
        return _show(request, route, form, status=422)
    part = full_part("routes", form.part())
    shown = {
        **found,
        "plan": catalogue.plan_with(part),
        "warnings": catalogue.warnings(part),
    }
    return _show(request, route, form, status=status, preview=shown, **context)


def _publish(request: HttpRequest, route: Named, form: RouteForm) -> HttpResponse:
    if form.cleaned_data["previewed"] != form.fingerprint():
        return _preview(request, route, form, status=409, moved=True)
    if not form.cleaned_data["reason"]:
        form.add_error("reason", "Say why: it is kept with the change.")
        return _preview(request, route, form, status=422)
    try:
        new = publishing.publish(route.subject, form, by=actor(request))
    except changes.Stale as stale:
        merged, told = publishing.conflict(route.subject, form, request.POST, stale)
        return _preview(request, route, merged, status=409, conflict=told)
    except Invalid as error:
        form.take(error.problems)
        return _show(request, route, form, status=422)
    return _published(request, route, new)


def _published(request: HttpRequest, route: Named, new: Revision) -> HttpResponse:
    """Close the editor and say it, or go back to the table where the editor was a page of its own."""
    text = f"{route.task.name}: revision {new.number} is in force."
    htmx = request.htmx  # type: ignore[attr-defined]
    if htmx and not (htmx.current_url_abs_path or "").split("?")[0].endswith("/edit"):
        response = HttpResponse(status=204)
        trigger_client_event(response, "editor:close", {})
        trigger_client_event(response, "routing:changed", {"task": route.task.slug})
        trigger_client_event(response, "toast", {"text": text, "level": "success"})
        return response
    messages.success(request, text)
    return HttpResponseClientRedirect(reverse("routing")) if htmx else redirect("routing")


def _show(request: HttpRequest, route: Named, form: RouteForm, *, status: int = 200, **context: Any) -> HttpResponse:
    models = catalogue.models_now()
    steps = list(form["steps"].value() or ())
    shown = {
        "route": route,
        "form": form,
        "chain": [models.get(key) or catalogue.unknown(key) for key in steps],
        "picks": _choices(route, steps),
        "exists": Route.objects.filter(
            task_type=route.task, project__slug=route.project, condition=route.condition
        ).exists(),
        **context,
    }
    part = "#editor" if request.htmx else ""  # type: ignore[attr-defined]
    return render(request, f"routing/edit.html{part}", shown, status=status)


def _choices(route: Named, chosen: list[str], words: str = "") -> list[catalogue.ModelNow]:
    models = catalogue.models_now().values()
    return [each for each in models if each.kind == route.task.kind and each.key not in chosen and each.answers(words)]
