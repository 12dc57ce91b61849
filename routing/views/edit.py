"""Edit one route: rearrange its chain, preview, publish with a reason. All of it is one form, which works as a plain page too."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event

from routing import catalogue, changes
from routing.document import Change, Invalid, rows
from routing.document.table import full_part, key_of
from routing.forms import NewRouteForm, RouteForm
from routing.models import Revision, Route, TaskType
from routing.terms.words import Group
from routing.versions import current_revision
from routing.views import wording
from routing.views.access import actor, page


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

    def part(self, document: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The route as the table has it, or as a revision's document had it; an empty one where there is none."""
        if document is None:
            routes = rows.dump()["routes"]
        else:
            routes = {key_of("routes", part): part for part in document["routes"]}
        try:
            return full_part("routes", routes.get(self.key) or {**self.keys, "steps": []})
        except Invalid as error:
            raise Http404(str(error)) from error


@page(Group.OPERATOR, "GET", "HEAD", "POST")
def edit(request: HttpRequest, task: str) -> HttpResponse:
    """The editor of one route: the page, or its part where htmx asks."""
    route = Named.of(request, task)
    if request.method != "POST":
        return _show(request, route, RouteForm.of(route.part(), current_revision()))
    rearranged = _rearranged(request.POST)
    if rearranged is not None:
        return _show(request, route, RouteForm(rearranged))
    form = RouteForm(request.POST)
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
    reason, expected = request.POST.get("reason", "").strip()[:2000], request.POST.get("revision", "")
    try:
        new = changes.remove(
            "routes",
            route.key,
            by=actor(request),
            reason=reason,
            source="console",
            expected_revision=int(expected) if expected.isdecimal() and len(expected) < 10 else None,
        )
    except changes.Unknown as error:
        raise Http404(str(error)) from error
    except (changes.Stale, Invalid) as error:
        messages.error(request, f"Nothing was removed. {error}")
        return redirect(route.url)
    messages.success(request, f"Revision {new.number} is in force, without the route {route.key}.")
    return redirect("routing")


@page(Group.OPERATOR)
def picks(request: HttpRequest, task: str) -> HttpResponse:
    """The models that may be added to the chain and whose name, provider or tag has the words asked for."""
    route = Named.of(request, task)
    found = _choices(route, request.GET.getlist("steps"), request.GET.get("q", ""))
    return render(request, "routing/edit.html#picks", {"picks": found, "route": route, "q": request.GET.get("q", "")})


def _rearranged(data: QueryDict) -> QueryDict | None:
    """The form after one of the buttons of the chain; None when another button was pressed."""
    steps = data.getlist("steps")
    act = next((name for name in ("add", "remove", "up", "down") if data.get(name)), None)
    if act is None:
        return None
    key = str(data[act])
    if act == "add" and key not in steps:
        steps.append(key)
    elif act != "add" and key in steps:
        place = steps.index(key)
        steps.remove(key)
        if act != "remove":
            steps.insert(max(place + (1 if act == "down" else -1), 0), key)
    changed = data.copy()
    changed.setlist("steps", steps)
    changed["previewed"] = ""
    return changed


def _preview(request: HttpRequest, route: Named, form: RouteForm, status: int = 200, **context: Any) -> HttpResponse:
    """The form with what publishing it would change, and whom a call would reach now."""
    part = {**route.keys, **form.fields_of_route()}
    try:
        lines = wording.lines(changes.preview({"routes": [part]}))
    except Invalid as error:
        form.take(error.problems)
        return _show(request, route, form, status=422)
    shown = {
        "lines": lines,
        "plan": catalogue.plan_with(part),
        "warnings": catalogue.warnings(part),
        "previewed": form.fingerprint(),
    }
    return _show(request, route, form, status=status, preview=shown, **context)


def _publish(request: HttpRequest, route: Named, form: RouteForm) -> HttpResponse:
    reason = form.cleaned_data["reason"]
    if form.cleaned_data["previewed"] != form.fingerprint():
        return _preview(request, route, form, status=409, moved=True)
    if not reason:
        form.add_error("reason", "Say why: it is kept with the change.")
        return _preview(request, route, form, status=422)
    part, expected = {**route.keys, **form.fields_of_route()}, form.cleaned_data["revision"]
    try:
        new = _publish_over(route, part, expected, by=actor(request), reason=reason)
    except changes.Stale as stale:
        return _conflict(request, route, form, stale)
    except Invalid as error:
        form.take(error.problems)
        return _show(request, route, form, status=422)
    return _published(request, route, new)


def _publish_over(route: Named, part: dict[str, Any], expected: int, **how: Any) -> Revision:
    """Publish, also over revisions that left this route alone: they are nobody's conflict."""
    while True:
        try:
            return changes.publish({"routes": [part]}, source="console", expected_revision=expected, **how)
        except changes.Stale as stale:
            if any(_is_of(route, change) for change in stale.diff) or not stale.diff:
                raise
            expected = stale.current


def _is_of(route: Named, change: Change) -> bool:
    return change.path.partition("]")[0] == f"routes[{route.key}"


def _conflict(request: HttpRequest, route: Named, form: RouteForm, stale: changes.Stale) -> HttpResponse:
    """Tell who was first. Fields that only they changed become theirs, all that was typed here stays."""
    mine = form.fields_of_route()
    expected = form.cleaned_data["revision"]
    base, theirs = route.part(changes.revision(expected).document), route.part()
    kept = {name: theirs[name] if mine[name] == base[name] else mine[name] for name in mine}
    merged = RouteForm(_as_posted({**kept, **kept["timeouts"]}, request.POST, stale.current))
    merged.is_valid()
    their = Revision.objects.filter(number__gt=expected, task_types__contains=[route.task.slug]).first()
    differing = [Change(f"routes[{route.key}].{name}", theirs[name], kept[name]) for name in kept]
    conflict = {
        "who": their.by_name if their else stale.who,
        "when": their.created_at if their else stale.when,
        "reason": their.reason if their else "",
        "what": f"the route {route.key}",
        "lines": wording.lines(each for each in differing if each.before != each.after),
        "reload_url": route.url,
    }
    return _preview(request, route, merged, status=409, conflict=conflict)


def _as_posted(values: Mapping[str, Any], posted: QueryDict, revision: int) -> QueryDict:
    data = posted.copy()
    for name, value in values.items():
        if name == "steps":
            data.setlist(name, value)
        elif value is False:
            data.pop(name, None)
        elif name != "timeouts":
            data[name] = "on" if value is True else str(value)
    data["revision"] = str(revision)
    return data


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
