"""Jobs: batches of calls with how far they are, runs of the scheduled jobs, imports."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render

from routing import batches
from routing.models import Batch, ImportFile, JobRun
from routing.terms.words import Group, ItemStatus, JobStatus
from routing.views.access import actor, page

PAGE = 50
RUNS = 14  # of scheduled jobs: two weeks of nights, with Imports still in sight below
NEWEST = 20  # batches and imports on the page of all jobs


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a scheduled job."""

    row: JobRun
    took_ms: float | None

    @property
    def is_running(self) -> bool:
        return self.row.status == JobStatus.RUNNING


@page()
def jobs(request: HttpRequest) -> HttpResponse:
    """What runs and what has run; the part that changes where htmx asks."""
    name, before = request.GET.get("job", "")[:40], _number(request.GET.get("cursor", ""))
    rows = JobRun.objects.order_by("-pk")
    rows = rows.filter(job=name) if name else rows
    found = list((rows.filter(pk__lt=before) if before else rows)[: RUNS + 1])
    newest = batches.page(limit=NEWEST + 1, before=_number(request.GET.get("batches", "")) or None)
    context = {
        "batches": newest[:NEWEST],
        "older": newest[NEWEST - 1].batch.pk if len(newest) > NEWEST else None,
        "runs": list(map(_run, found[:RUNS])),
        "names": JobRun.objects.order_by("job").values_list("job", flat=True).distinct(),
        "job": name,
        "imports": ImportFile.objects.order_by("-pk")[:NEWEST],
        "first": not before,
        "next": str(found[RUNS - 1].pk) if len(found) > RUNS else None,
        "is_live": any(each.batch.finished_at is None for each in newest),
    }
    return render(request, f"routing/jobs.html{'#batches' if _is_part(request) else ''}", context)


def _run(row: JobRun) -> Run:
    if row.started_at is None or row.finished_at is None or row.finished_at < row.started_at:
        return Run(row, None)
    return Run(row, (row.finished_at - row.started_at).total_seconds() * 1000)


@page()
def batch(request: HttpRequest, number: int) -> HttpResponse:
    """One batch: how far it is, and its items."""
    found, after = _found(number), request.GET.get("cursor", "")
    status = request.GET.get("status", "")
    status = status if status in set(ItemStatus) else ""
    items = batches.items(found, after=_number(after) if after else -1, limit=PAGE + 1, status=status)
    context = {
        "told": batches.told([found])[0],
        "batch": found,
        "items": items[:PAGE],
        "status": status,
        "statuses": list(ItemStatus),
        "is_live": found.finished_at is None,
        "first": not after,
        "next": str(items[PAGE - 1]["position"]) if len(items) > PAGE else None,
    }
    return render(request, f"routing/batch.html{'#state' if _is_part(request) else ''}", context)


@page(Group.OPERATOR)
def item(request: HttpRequest, number: int, position: int) -> HttpResponse:
    """One item with its answer, which only who may dispatch from here may read."""
    found = _found(number)
    told = batches.item(found, position) if position < 2**31 else None
    if told is None:
        raise Http404("There is no such item.")
    return render(request, "routing/batch_item.html", {"batch": found, "item": told})


@page(Group.OPERATOR)
def results(request: HttpRequest, number: int) -> HttpResponseBase:
    """Every item as a line of JSON."""
    answer = StreamingHttpResponse(batches.results(_found(number)), content_type="application/x-ndjson")
    answer["Content-Disposition"] = f'attachment; filename="batch-{number}.ndjson"'
    return answer


@page(Group.OPERATOR, "POST")
def cancel(request: HttpRequest, number: int) -> HttpResponse:
    """No other call of the batch begins; those on their way end too, unless they are to come to their end."""
    finish = request.POST.get("running") == "finish"
    if batches.cancel(_found(number).pk, by=actor(request), finish_running=finish):
        messages.success(request, f"Batch {number} is cancelled: no other call of it begins.")
    else:
        messages.error(request, f"Batch {number} was over or cancelled before.")
    return redirect("batch", number=number)


def _found(number: int) -> Batch:
    found = batches.find(number) if number < 2**63 else None
    if found is None:
        raise Http404("There is no such batch.")
    return found


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def _is_part(request: HttpRequest) -> Any:
    return request.htmx  # type: ignore[attr-defined]
