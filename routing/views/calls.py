"""Calls: the list with its filter and live tail, one call in full, a person's verdict on it."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from routing import feedback, records
from routing.forms import SINCE, CallFilter
from routing.models import Attempt, Call, Client, Model, TaskType
from routing.policy.cost import FEES, Part
from routing.terms.words import Group, LabelSource, Role, Status, Verdict
from routing.views.access import actor, page

PAGE = 50
SECOND = "Only the second opinion was good."
BESIDE = (Role.SECOND_OPINION, Role.SHADOW)  # at the same time as another attempt


@page()
def calls(request: HttpRequest) -> HttpResponse:
    """The newest calls that fit, or the rows of it where htmx asks."""
    form = CallFilter(request.GET)
    before = _uuid(request.GET.get("cursor", ""))
    found = records.page(form.filters(), before=before, limit=PAGE)
    context = {
        "form": form,
        "page": found,
        "first": before is None,
        "next": found.next,
        "is_live": "tail" in request.GET and before is None,
        "names": _names(),
    }
    part = "#rows" if request.htmx else ""  # type: ignore[attr-defined]
    return render(request, f"routing/calls.html{part}", context)


def _names() -> dict[str, list[str]]:
    """What the filter offers."""
    return {
        "task_type": list(TaskType.objects.order_by("slug").values_list("slug", flat=True)),
        "model": sorted(model.key for model in Model.objects.select_related("provider")),
        "client": list(Client.objects.order_by("slug").values_list("slug", flat=True)),
        "since": list(SINCE),
    }


@dataclass(frozen=True, slots=True)
class Bar:
    """An attempt on the time line of its call, in shares of the whole."""

    attempt: Attempt
    start: float
    width: float
    ttft: float | None  # where the first token came
    kind: str  # good, warn, bad: as the bars of the console are coloured

    @property
    def unpriced(self) -> str:
        """Why it has no cost, where more is to be said than that; "" where it has one."""
        attempt = self.attempt
        if attempt.cost_usd is not None:
            return ""
        if attempt.output_tokens is None:
            return "no usage told"
        return f"no price for {attempt.service_tier}" if attempt.service_tier else ""


@page()
def call(request: HttpRequest, request_id: str) -> HttpResponse:
    """One call in full, with what others made of the same work item."""
    record = records.told(_call(request_id))
    mine = [each for each in record.verdicts if each.source == LabelSource.PERSON]
    context = {
        "record": record,
        "call": record.call,
        "bars": _bars(record.call, record.attempts),
        "tokens": _tokens(record.attempts),
        "costs": _costs(record.attempts),
        "fees": FEES,
        "has_tiers": any(each.service_tier for each in record.attempts),
        "has_estimates": any(each.estimated for each in record.attempts),
        "opinions": _opinions(record.attempts),
        "mine": mine[-1].verdict if mine else "",
    }
    return render(request, "routing/call.html", context)


def _call(request_id: str) -> Call:
    found = records.find(request_id, wait_s=feedback.WAIT_S)
    if found is None:
        raise Http404("There is no call of this id.")
    return found


def _bars(call: Call, attempts: tuple[Attempt, ...]) -> list[Bar]:
    spans = list(_spans(call, attempts))
    whole = max([*(end for _, end in spans), call.total_ms or 0, 1])
    return [_bar(attempt, start, whole) for attempt, (start, _) in zip(attempts, spans, strict=True)]


def _spans(call: Call, attempts: tuple[Attempt, ...]) -> Iterator[tuple[float, float]]:
    """When each attempt began and ended, in ms from the call's start. One follows another, also where an import tells one time for all."""
    end = 0.0
    for each in attempts:
        started = max((each.started_at - call.started_at).total_seconds() * 1000, 0.0)
        start = started if each.role in BESIDE else max(started, end)
        end = start + (each.total_ms or 0)
        yield start, end


def _bar(attempt: Attempt, start: float, whole: float) -> Bar:
    kind = {Status.OK: "good", Status.PARTIAL: "warn", Status.CANCELLED: "warn"}.get(Status(attempt.status), "bad")
    return Bar(
        attempt=attempt,
        start=start / whole,
        width=max((attempt.total_ms or 0) / whole, 0.005),  # a bar that can be seen
        ttft=None if attempt.ttft_ms is None else (start + attempt.ttft_ms) / whole,
        kind=kind,
    )


@dataclass(frozen=True, slots=True)
class Opinions:
    """What served the call, and what another provider said to the same request, side by side."""

    both: tuple[Attempt, Attempt]
    is_same: bool | None  # None: there was nothing to compare


def _opinions(attempts: tuple[Attempt, ...]) -> Opinions | None:
    second = next((each for each in attempts if each.role == Role.SECOND_OPINION), None)
    served = [each for each in attempts if each.status in (Status.OK, Status.PARTIAL) and each.role not in BESIDE]
    if second is None or not served:
        return None
    hashes = served[-1].output_hash, second.output_hash
    return Opinions((served[-1], second), hashes[0] == hashes[1] if all(hashes) else None)


def _tokens(attempts: tuple[Attempt, ...]) -> list[tuple[str, list[int | None]]]:
    """What was read, from the cache too, and written, by each attempt."""
    fields = {
        "Input": "input_tokens",
        "of it read from cache": "cache_read_tokens",
        "of it written to cache": "cache_write_tokens",
        "… for an hour or longer": "cache_write_1h_tokens",
        "Output": "output_tokens",
        "of it reasoning": "reasoning_tokens",
        "Web searches": "searches",
    }
    rare = ("cache_write_1h_tokens", "searches")
    rows = {name: (label, [getattr(each, name) for each in attempts]) for label, name in fields.items()}
    return [row for name, row in rows.items() if name not in rare or any(row[1])]


_COSTS = {
    "input": "of it input",
    "cache_read": "of it read from cache",
    "cache_write": "of it written to cache",
    "cache_write_1h": "of it written to cache for an hour or longer",
    "output": "of it output",
    "reasoning": "of it reasoning",
    "searches_1k": "of it web searches",
    "requests_1k": "of it the request itself",
}


def _costs(attempts: tuple[Attempt, ...]) -> list[tuple[str, list[Part | None]]]:
    """The parts that each attempt's cost is made of, at the rates frozen with it: they add up to it."""
    found = [{part.name: part for part in records.cost_parts(each)} for each in attempts]
    rows = [(label, [parts.get(name) for parts in found]) for name, label in _COSTS.items()]
    return [row for row in rows if any(row[1])]


@page(Group.OPERATOR, "POST")
def verdict(request: HttpRequest, request_id: str) -> HttpResponse:
    """A person says whether the output achieved the task. The call's page again, or the part of it where htmx asks."""
    try:
        is_second = request.POST.get("second") == "better"
        said = feedback.Said(
            Verdict.BAD if is_second else Verdict(request.POST.get("verdict", "")),
            LabelSource.PERSON,
            comment=SECOND if is_second else request.POST.get("comment", "").replace("\0", "").strip()[:2000],
        )
        found = feedback.targets(feedback.Match(request_id=request_id))
        feedback.give(found, said, by=actor(request))
    except feedback.NotFound as error:
        raise Http404(str(error)) from error
    except (feedback.Refused, ValueError) as error:
        messages.error(request, f"The verdict was not kept: {error}")
    else:
        messages.success(request, f"Kept: {said.verdict}.")
    return redirect("call", request_id=request_id)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
