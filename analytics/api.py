"""Comparisons, proposals, explorations, guards, reviews and alerts over /api/v1. Numbers are those of the pages: same queries."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import ConfigDict, Field

from analytics import explorations, proposals, queries, reviews, told
from analytics.models import Review
from routing.api.auth import key_auth
from routing.api.errors import ApiError
from routing.audit import Actor
from routing.document.table import Invalid
from routing.terms.words import ProposalStatus, Scope

router = Router(tags=["evidence"])
Row = TypeVar("Row", bound=Model)

Slug = Annotated[str, Field(max_length=120, pattern=r"^[^\x00]*$")]
Text = Annotated[str, Field(max_length=4_000, pattern=r"^[^\x00]*$")]
Number = Annotated[int, Field(ge=1, le=2**63 - 1)]


class Page(Schema):
    """Which part of a list."""

    limit: Annotated[int, Field(ge=1, le=500)] = 100
    cursor: Number | None = None


class Decision(Schema):
    model_config = ConfigDict(extra="forbid")

    comment: Text = ""


class Budget(Schema):
    """An exploration to begin."""

    model_config = ConfigDict(extra="forbid")

    task_type: Slug
    share: Annotated[float, Field(gt=0, lt=1)]
    challengers: Annotated[list[Slug], Field(min_length=1, max_length=50)]
    usd_cap: Annotated[Decimal, Field(ge=0, lt=10**9, decimal_places=6)]
    until: dt.date
    reason: Text = ""


def _newest_first(rows: QuerySet[Row], page: Page, tell: Callable[[Row], dict[str, Any]]) -> dict[str, Any]:
    """A page of rows whose keys fall. The cursor is the last key told."""
    rows = rows.order_by("-pk")
    found = list((rows.filter(pk__lt=page.cursor) if page.cursor else rows)[: page.limit + 1])
    more = len(found) > page.limit
    found = found[: page.limit]
    return {"items": [tell(one) for one in found], "next": str(found[-1].pk) if more else None}


def _actor(request: HttpRequest) -> Actor:
    caller = request.auth  # type: ignore[attr-defined]  # set by key_auth
    actor: Actor = caller.actor(request.META.get("REMOTE_ADDR", ""))
    return actor


@router.get("/comparisons", auth=key_auth(Scope.READ))
def list_comparisons(
    request: HttpRequest, page: Query[Page], task_type: Slug | None = None, as_of: dt.date | None = None
) -> dict[str, Any]:
    """One row a (task type, incumbent, challenger): the evidence after a night, and its verdict or what is missing."""
    start = (page.cursor or 1) - 1
    found = queries.comparisons(task_type, as_of)
    shown = found[start : start + page.limit]
    more = start + page.limit < len(found)
    return {"items": [told.comparison(one) for one in shown], "next": str(start + page.limit + 1) if more else None}


@router.get("/proposals", auth=key_auth(Scope.READ))
def list_proposals(
    request: HttpRequest, page: Query[Page], status: ProposalStatus | None = None, task_type: Slug | None = None
) -> dict[str, Any]:
    return _newest_first(queries.proposals(status, task_type), page, told.proposal)


@router.get("/proposals/{int:number}", auth=key_auth(Scope.READ))
def one_proposal(request: HttpRequest, number: int) -> dict[str, Any]:
    return told.proposal(proposals.get(number))


@router.get("/proposals/{int:number}/what-if", auth=key_auth(Scope.READ))
def what_if(request: HttpRequest, number: int) -> dict[str, Any]:
    return told.in_dollars(told.what_if(proposals.get(number)))


@router.post("/proposals/{int:number}/approve", auth=key_auth(Scope.APPROVE))
def approve(request: HttpRequest, number: int, decision: Decision) -> dict[str, Any]:
    """Publish the proposed route as a revision. 409 when it is decided or what it stands on has moved, 403 by four eyes."""
    return told.proposal(_valid(lambda: proposals.approve(number, by=_actor(request), comment=decision.comment)))


@router.post("/proposals/{int:number}/reject", auth=key_auth(Scope.APPROVE))
def reject(request: HttpRequest, number: int, decision: Decision) -> dict[str, Any]:
    """Close it with a reason and without a change. 409 when it is decided, 422 without a comment."""
    return told.proposal(_valid(lambda: proposals.reject(number, by=_actor(request), comment=decision.comment)))


@router.post("/proposals/{int:number}/revert", auth=key_auth(Scope.APPROVE))
def revert(request: HttpRequest, number: int, decision: Decision) -> dict[str, Any]:
    """Give the route back the steps that the approval took."""
    return told.proposal(_valid(lambda: proposals.revert(number, by=_actor(request), comment=decision.comment)))


@router.get("/guards", auth=key_auth(Scope.READ))
def list_guards(request: HttpRequest, page: Query[Page]) -> dict[str, Any]:
    return _newest_first(queries.guards(), page, told.guard)


@router.get("/reviews", auth=key_auth(Scope.READ))
def list_reviews(request: HttpRequest, page: Query[Page]) -> dict[str, Any]:
    return _newest_first(queries.reviews(), page, told.review)


@router.get("/reviews/{week}", auth=key_auth(Scope.READ))
def one_review(request: HttpRequest, week: str) -> dict[str, Any]:
    reviews.monday(week)
    found = Review.objects.filter(week=week).first()
    if found is None:
        raise ApiError(404, f"There is no review of {week}.")
    return told.review(found)


@router.get("/alerts", auth=key_auth(Scope.READ))
def list_alerts(request: HttpRequest, page: Query[Page], all: bool = False) -> dict[str, Any]:
    """What is open, or everything with ?all=true."""
    return _newest_first(queries.alerts(is_open=not all), page, told.alert)


@router.get("/explorations", auth=key_auth(Scope.READ))
def list_explorations(request: HttpRequest, page: Query[Page]) -> dict[str, Any]:
    return _newest_first(explorations.current(), page, told.exploration)


@router.post("/explorations", auth=key_auth(Scope.APPROVE))
def start_exploration(request: HttpRequest, budget: Budget) -> dict[str, Any]:
    """Approve an exploration budget; it begins with the next night. One a task type: a second replaces the first."""
    given = budget.dict(exclude={"reason"})
    revision = _valid(lambda: explorations.start(**given, by=_actor(request), reason=budget.reason))
    running = explorations.current().get(task_type__slug=budget.task_type)
    return {**told.exploration(running), "revision": revision.number}


@router.delete("/explorations/{int:number}", auth=key_auth(Scope.MANAGE))
def end_exploration(request: HttpRequest, number: int) -> dict[str, Any]:
    return told.exploration(explorations.end(number, by=_actor(request), reason="ended over the API"))


Made = TypeVar("Made")


def _valid(act: Callable[[], Made]) -> Made:
    """What the act gives; 422 with every problem when the table would not be valid."""
    try:
        return act()
    except Invalid as error:
        details = [{"field": problem.path, "problem": problem.message} for problem in error.problems]
        raise ApiError(422, str(error), details=details) from error
