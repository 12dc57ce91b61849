"""The table's revisions: the timeline, one of them, two compared, one restored."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from routing import changes
from routing.document import Invalid, edits
from routing.models import Revision
from routing.terms.words import Group
from routing.versions import current_revision
from routing.views import wording
from routing.views.access import actor, page

PAGE = 25
TOLD = 3  # changes of a revision that its line in the timeline tells


@page()
def timeline(request: HttpRequest) -> HttpResponse:
    """Revisions, the newest first; `task` leaves those that touched its routes."""
    rows = Revision.objects.defer("document")
    task, cursor = request.GET.get("task", "").replace("\x00", ""), _number(request.GET.get("cursor"))
    if task:
        rows = rows.filter(task_types__contains=[task])
    found = list(rows.filter(number__lt=cursor)[: PAGE + 1] if cursor else rows[: PAGE + 1])
    shown = [(each, wording.lines(each.changes[:TOLD]), max(len(each.changes) - TOLD, 0)) for each in found[:PAGE]]
    context = {
        "revisions": shown,
        "task": task,
        "current": current_revision(),
        "first": not cursor,
        "next": found[PAGE - 1].number if len(found) > PAGE else None,
    }
    return render(request, "routing/history.html", context)


@page()
def revision(request: HttpRequest, number: int) -> HttpResponse:
    """What one revision changed, and what restoring it would change now."""
    one = _revision(number)
    current = current_revision()
    context: dict[str, Any] = {
        "revision": one,
        "lines": wording.lines(one.changes),
        "current": current,
        "hidden": [("revision", current)],
    }
    if number != current:
        try:
            context["restoring"] = wording.lines(
                changes.preview(lambda now: edits.as_it_was(now, one.document), source="restore")
            )
        except Invalid as error:
            context["problems"] = error.problems
    return render(request, "routing/revision.html", context)


@page()
def compare(request: HttpRequest) -> HttpResponse:
    """Two revisions side by side, the older one left."""
    current = current_revision()
    after = _number(request.GET.get("to")) or current
    before = _number(request.GET.get("from")) if request.GET.get("from") else max(after - 1, 0)
    before, after = sorted((before, after))
    try:
        lines = wording.lines(changes.compare(before, after))
    except changes.Unknown as error:
        raise Http404(str(error)) from error
    labels = [f"Revision {number}" if number else "Nothing yet" for number in (before, after)]
    context = {"before": before, "after": after, "lines": lines, "current": current}
    context |= {"before_label": labels[0], "after_label": labels[1]}
    return render(request, "routing/compare.html", context)


@page(Group.OPERATOR, "POST")
def restore(request: HttpRequest, number: int) -> HttpResponse:
    """The table as it was, as a new revision. Whoever read an older table than the one in force is told."""
    reason = request.POST.get("reason", "").strip()[:2000]
    expected = _number(request.POST.get("revision")) or None
    try:
        new = changes.restore(number, by=actor(request), reason=reason, expected_revision=expected)
    except changes.Unknown as error:
        raise Http404(str(error)) from error
    except (changes.Stale, Invalid) as error:
        messages.error(request, f"Nothing was restored. {error}")
        return redirect("revision", number=number)
    if expected == new.number:
        messages.info(request, f"The table is as revision {number} had it: there was nothing to restore.")
    else:
        messages.success(request, f"Revision {new.number} is in force: the table as revision {number} had it.")
    return redirect("history")


def _revision(number: int) -> Revision:
    try:
        return changes.revision(number)
    except changes.Unknown as error:
        raise Http404(str(error)) from error


def _number(text: str | None) -> int:
    """A revision's number as an address carries it; 0 for anything else."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else 0
