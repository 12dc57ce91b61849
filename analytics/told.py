"""Rows as the API and the command line tell them: the contract's objects."""

from decimal import Decimal
from typing import Any

from analytics.models import Comparison, Guard, Proposal, Review
from analytics.reviews import money
from routing.models import Alert, Exploration

MONEY = frozenset(
    ["cost", "cost_incumbent", "cost_challenger", "cost_per_month_usd", "saving_per_day", "saving_bound"]
)  # what comparisons, evidence and what-ifs hold of it


def proposal(one: Proposal) -> dict[str, Any]:
    """A proposal of the contract, with what a person needs beside it."""
    saving = one.saving_per_month_usd
    return {
        "id": one.pk,
        "kind": one.kind,
        "task_type": one.task_type,
        "from": one.from_model,
        "to": one.to_model,
        "status": one.status,
        "simulated": one.simulated,
        "evidence": in_dollars(one.evidence),
        "evidence_sha256": one.evidence_sha256,
        "explanation": one.explanation,
        "details": one.details,
        "saving_per_month_usd": None if saving is None else money(saving),
        "base_revision": one.base_revision,
        "created_at": one.created_at.isoformat(),
        "decided_by": one.decided_by_name or None,
        "decided_at": one.decided_at and one.decided_at.isoformat(),
        "comment": one.comment or None,
        "applied_revision": one.applied_revision,
        "reverted_revision": one.reverted_revision,
    }


def comparison(one: Comparison) -> dict[str, Any]:
    """A comparison with its verdict, or what is missing, in numbers and in one sentence."""
    return {"night": one.night.isoformat(), **in_dollars(one.result)}


def in_dollars(found: dict[str, Any]) -> dict[str, Any]:
    """The same with each amount of money as a decimal string, as everywhere outside; pages and figures reckon with numbers."""
    return {name: _dollars(value) if name in MONEY else value for name, value in found.items()}


def _dollars(value: Any) -> Any:
    if isinstance(value, dict):
        return {side: _dollars(bound) for side, bound in value.items()}
    return value if value is None else money(Decimal(repr(value)))


def what_if(one: Proposal) -> dict[str, Any]:
    """Had the proposed model served the task type over the evidence's nights: success and cost, like for like.

    Per prompt size and night, weighted by the traffic both models shared; a difference without overlap is told as none.
    """
    told, month = one.evidence, 30
    saving = told.get("saving_per_day")
    cost = told.get("cost") or {}
    change = None if saving is None else -saving * month
    scale = change / cost["estimate"] if change is not None and cost.get("estimate") else None
    return {
        "since": told.get("since"),
        "until": told.get("as_of"),
        "nights": told.get("nights"),
        "success": told.get("success"),
        "overlap": "none" if told.get("success") is None else "drawn by chance within night, prompt size and shares",
        "effective_n": told.get("n_challenger"),
        "cost_per_month_usd": None
        if change is None or scale is None
        else {"estimate": change, **{side: cost[side] * scale for side in ("low", "high")}},
    }


def guard(one: Guard) -> dict[str, Any]:
    """What watches one model on one route."""
    names = ("task_type", "model", "simulated", "state", "baseline", "nights", "graded", "log_e", "trail")
    dates = {
        name: value and value.isoformat()
        for name, value in (("since", one.since), ("as_of", one.as_of), ("fired_on", one.fired_on))
    }
    return {"id": one.pk, **{name: getattr(one, name) for name in names}, **dates, "proposal": one.proposal_id}


def review(one: Review) -> dict[str, Any]:
    return {**one.result, "sha256": one.sha256}


def alert(one: Alert) -> dict[str, Any]:
    names = ("key", "kind", "severity", "title", "detail", "subject", "url")
    return {
        "id": one.pk,
        **{name: getattr(one, name) for name in names},
        "created_at": one.created_at.isoformat(),
        "resolved_at": one.resolved_at and one.resolved_at.isoformat(),
        "acknowledged_at": one.seen_at and one.seen_at.isoformat(),
        "acknowledged_by": one.seen_by or None,
    }


def exploration(one: Exploration) -> dict[str, Any]:
    return {
        "id": one.pk,
        "task_type": one.task_type.slug,
        "share": one.share,
        "challengers": sorted(model.key for model in one.challengers.all()),
        "usd_cap": money(one.usd_cap),
        "spent_usd": money(one.spent_usd),
        "starts_on": one.starts_on.isoformat(),
        "until": one.until.isoformat(),
    }
