"""Route test: who would serve a call, and why each other model is skipped. Asks what `POST /route/explain` asks; calls nobody."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from routing import clients, queries, snapshot
from routing.clients import Caller
from routing.dispatch.asked import asked
from routing.forms import ExplainForm
from routing.models import Client, Project, Route, TaskType
from routing.policy.resolve import Ambiguous, Unknown
from routing.terms.words import SkipReason
from routing.views.access import page


@page()
def route_test(request: HttpRequest) -> HttpResponse:
    """The form, and under it the path of what it asks; the path alone where htmx asks."""
    form = ExplainForm(request.GET if request.GET.get("task_type") else None)
    context: dict[str, Any] = {"form": form, "names": _names()}
    if form.is_bound and form.is_valid():
        try:
            context["plan"] = _plan(form)
        except (Unknown, Ambiguous, clients.Refused) as error:
            context["unclear"] = str(error)
    part = "#path" if request.htmx else ""  # type: ignore[attr-defined]
    return render(request, f"routing/route_test.html{part}", context)


def _plan(form: ExplainForm) -> dict[str, Any]:
    known = snapshot.fresh()
    meant = asked(known.table, form.wish(), _caller(known, form.cleaned_data))
    made = queries.explain(meant.ask, meant.facts.session)
    for each in made["skipped"]:
        each["until"] = each["until"] and datetime.fromisoformat(each["until"])
    steps = [each for each in made["skipped"] if each["reason"] != SkipReason.NOT_IN_ROUTE]
    others = [each for each in made["skipped"] if each["reason"] == SkipReason.NOT_IN_ROUTE]
    return {**made, "steps": steps, "others": others, "task": known.table.task_types[made["task_type"]]}


def _caller(known: snapshot.Snapshot, data: dict[str, Any]) -> Caller:
    """Whoever calls as the client that is named; nobody where none is. Raises clients.Refused."""
    slug = data["client"].strip()
    if not slug:
        if data["session"]:
            raise clients.Refused("Name the client whose session it is.")
        return Caller("", "", frozenset())
    found = next((each for each in known.keys.values() if each.client == slug), None)
    if found is None:
        raise clients.Refused(f"There is no client '{slug}' that has a key.")
    return replace(found, prefix="")  # whichever key it is: no budget of one


def _names() -> dict[str, list[str]]:
    """What the fields offer."""
    known = snapshot.fresh().table
    return {
        "task_type": sorted(TaskType.objects.filter(enabled=True).values_list("slug", flat=True)),
        "project": list(Project.objects.order_by("slug").values_list("slug", flat=True)),
        "context": sorted({route.condition for route in Route.objects.exclude(condition="")}),
        "model": sorted(known.models),
        "client": list(Client.objects.order_by("slug").values_list("slug", flat=True)),
    }
