"""Proposals: the list, one of them with its evidence, and what people decide on it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from analytics import proposals, queries, told
from analytics.arms import steps_after
from analytics.charts import nights
from analytics.charts.plot import Plot
from analytics.models import Comparison, Guard, Proposal
from analytics.stats.results import FIRES_AT
from analytics.views.differences import Difference, Strength, alarm, differences, strength
from routing import changes
from routing.audit import Actor
from routing.document import Invalid
from routing.models import Revision, TaskType
from routing.terms.words import Group, ProposalStatus
from routing.views import wording
from routing.views.access import actor, page

PAGE = 20
WATCHED = 12  # comparisons without a proposal that the list shows


@dataclass(frozen=True, slots=True)
class Card:
    """A proposal in the list."""

    one: Proposal
    strength: Strength | None  # None: it rests on no comparison (a rollback)
    differences: list[Difference]


@dataclass(frozen=True, slots=True)
class Watched:
    """A comparison that is no proposal yet, and why."""

    one: Comparison
    strength: Strength
    sentence: str


@page()
def every(request: HttpRequest) -> HttpResponse:
    """Cards, the newest first; open ones unless the address says otherwise. Under them what is being watched."""
    status, task = _word(request.GET.get("status", "")) or ProposalStatus.OPEN, _word(request.GET.get("task", ""))
    rows = queries.proposals(None if status == "all" else status, task or None)
    cursor = _number(request.GET.get("cursor"))
    found = list((rows.filter(pk__lt=cursor) if cursor else rows)[: PAGE + 1])
    context = {
        "cards": [_card(one) for one in found[:PAGE]],
        "next": found[PAGE - 1].pk if len(found) > PAGE else None,
        "first": not cursor,
        "status": status,
        "statuses": [*ProposalStatus],
        "task": task,
        "tasks": Proposal.objects.order_by("task_type").values_list("task_type", flat=True).distinct(),
        "is_filtered": bool(task) or status != ProposalStatus.OPEN,
        "last_night": queries.last_night(),
        **_watched(task),
    }
    return render(request, "analytics/proposals.html", context)


def _card(one: Proposal) -> Card:
    told_of = one.evidence
    return Card(one, _strength(told_of), differences(told_of) if "success" in told_of else [])


def _strength(found: dict[str, Any]) -> Strength | None:
    if not found.get("threshold"):
        return None
    return strength(nights.log_or_least(found.get("e_value")), nights.log_or_least(found["threshold"]))


def _watched(task: str) -> dict[str, Any]:
    rows = [one for one in queries.comparisons(task or None) if not one.verdict]
    rows.sort(key=lambda one: (-one.log_e / max(one.log_threshold, 1e-9), one.task_type))
    shown = [Watched(one, strength(one.log_e, one.log_threshold), one.result["sentence"]) for one in rows[:WATCHED]]
    return {"watched": shown, "watched_total": len(rows)}


@page()
def proposal(request: HttpRequest, number: int) -> HttpResponse:
    return _shown(request, _get(number))


def _get(number: int) -> Proposal:
    try:
        return proposals.get(number)
    except proposals.Unknown as error:
        raise Http404(str(error)) from error


def _shown(request: HttpRequest, one: Proposal, problem: str = "", status: int = 200) -> HttpResponse:
    """The page of one proposal; after a decision that was refused with why, in words."""
    found = one.evidence
    context = {
        "one": one,
        "problem": problem,
        "task": TaskType.objects.filter(slug=one.task_type).first(),
        "evidence": found,
        "strength": _strength(found),
        "differences": differences(found) if "success" in found else [],
        "arms": _arms(one),
        "buckets": [_bucket(each) for each in found.get("buckets", ()) if each["n_incumbent"] or each["n_challenger"]],
        "climb": _climb(one),
        "what_if": told.what_if(one),
        **_change(one),
    }
    if one.applied_revision:
        context |= _outcome(one)
    return render(request, "analytics/proposal.html", context, status=status)


@dataclass(frozen=True, slots=True)
class ArmRow:
    """One side of the comparison."""

    key: str
    word: str
    n: int
    successes: int
    rate: dict[str, float]
    cost: float | None


def _arms(one: Proposal) -> list[ArmRow]:
    found = one.evidence
    if "rate_incumbent" not in found:
        return []
    sides = (("incumbent", one.from_model), ("challenger", one.to_model))
    return [
        ArmRow(key, word, found[f"n_{word}"], found[f"successes_{word}"], found[f"rate_{word}"], found[f"cost_{word}"])
        for word, key in sides
    ]


def _bucket(each: dict[str, Any]) -> dict[str, Any]:
    """A prompt-size bucket with both arms' rates."""
    return {
        **each,
        "incumbent": queries.rate(each["successes_incumbent"], each["n_incumbent"]),
        "challenger": queries.rate(each["successes_challenger"], each["n_challenger"]),
    }


def _climb(one: Proposal) -> Plot | None:
    """The evidence over the nights; a rollback's is its guard's."""
    if one.evidence.get("trail"):
        return nights.guard_over_nights(one.evidence["trail"], nights.log_or_least(FIRES_AT))
    compared = queries.comparison_of(one)
    trail = queries.trail(compared) if compared else []
    return nights.over_nights(trail, one.kind) if trail else None


def _change(one: Proposal) -> dict[str, Any]:
    """What exactly approving would change now, or what it changed; `blocked` says why it cannot be approved."""
    after = steps_after(one.base_steps, one.to_model)
    if one.applied_revision:
        revision = Revision.objects.filter(number=one.applied_revision).first()
        return {"lines": wording.lines(revision.changes) if revision else []}
    if one.status == ProposalStatus.OPEN:
        try:
            proposals.check(one)
            route = {"task_type": one.task_type, "project": None, "condition": "", "steps": after}
            return {"lines": wording.lines(changes.preview({"routes": [route]}, source="proposal"))}
        except (proposals.Conflict, Invalid) as error:
            blocked = str(error)
    else:
        blocked = ""
    field = f"Route {one.task_type}: steps"
    return {"lines": [wording.Line(field, " → ".join(one.base_steps), " → ".join(after))], "blocked": blocked}


def _outcome(one: Proposal) -> dict[str, Any]:
    """An approved change: predicted beside realised, what guards it, and what reverting it would change."""
    guard = Guard.objects.filter(proposal=one).order_by("-as_of").first()
    boundary = nights.log_or_least(FIRES_AT)
    back: list[wording.Line] = []
    if one.reverted_revision is None:
        after = " → ".join(steps_after(one.base_steps, one.to_model))
        back = [wording.Line(f"Route {one.task_type}: steps", after, " → ".join(one.base_steps))]
    return {
        "realised": queries.realised(one),
        "guard": guard,
        "guard_strength": alarm(guard.log_e) if guard else None,
        "guard_climb": nights.guard_over_nights(guard.trail, boundary) if guard and guard.trail else None,
        "back": back,
    }


# ── decisions ──

Decision = Callable[[int, Actor, str], Proposal]


def _decide(request: HttpRequest, number: int, decision: Decision, done: str) -> HttpResponse:
    """Take it, or show the page again with why not. Whoever comes second is told who was first."""
    comment = _word(request.POST.get("reason", "")).strip()[:2000]
    try:
        one = decision(number, actor(request), comment)
    except proposals.Unknown as error:
        raise Http404(str(error)) from error
    except (proposals.Conflict, proposals.Forbidden) as error:
        return _shown(request, _get(number), problem=str(error), status=error.status)
    except Invalid as error:
        return _shown(request, _get(number), problem=str(error), status=422)
    messages.success(request, done.format(one=one))
    return redirect("proposal", number=number)


@page(Group.APPROVER, "POST")
def approve(request: HttpRequest, number: int) -> HttpResponse:
    said = "Approved: revision {one.applied_revision} is in force."
    return _decide(request, number, lambda n, by, why: proposals.approve(n, by=by, comment=why), said)


@page(Group.APPROVER, "POST")
def reject(request: HttpRequest, number: int) -> HttpResponse:
    said = "Rejected. Nothing has changed, and it is not proposed again for four weeks."
    return _decide(request, number, lambda n, by, why: proposals.reject(n, by=by, comment=why), said)


@page(Group.APPROVER, "POST")
def revert(request: HttpRequest, number: int) -> HttpResponse:
    said = "Reverted: revision {one.reverted_revision} gives the route its old steps back."
    return _decide(request, number, lambda n, by, why: proposals.revert(n, by=by, comment=why), said)


def _word(text: str) -> str:
    """What an address asks for, without what no column can hold."""
    return text.replace("\x00", "")


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else 0
