"""What the evidence proposes, and what people decide. Nothing changes the routing table but an approval.

`open_from` runs in the night's transaction; `approve`, `reject` and `revert` each in one of their own: whoever comes second is told.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from analytics import sentences
from analytics.arms import Arm, current_arms, current_routes, steps_after
from analytics.models import Block, Comparison, Proposal
from analytics.models.proposals import SWITCHES
from analytics.statements import as_json
from analytics.stats.results import Comparison as Result
from analytics.stats.switches import best_switches
from routing import audit, changes
from routing.audit import Actor
from routing.document.table import Invalid, Problem
from routing.models import Revision, TaskType
from routing.terms.words import ProposalKind, ProposalStatus

EXPIRES_AFTER = dt.timedelta(days=14)  # nights without support
REJECTED_FOR = dt.timedelta(days=28)  # a rejected change is not brought again so soon
BETTER_SAVING = 1.1  # an open proposal gives way to one that saves so many times as much
MONTH_DAYS = 30
PROVED = (ProposalKind.QUALITY, ProposalKind.COST, ProposalKind.LATENCY)  # by comparison; a guard proves a rollback


class Unknown(LookupError):
    """There is no such proposal."""

    status = 404


class Conflict(Exception):
    """It was decided already, or what it stood on has moved. `code` is a stable word."""

    status = 409

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Forbidden(Exception):
    """Four eyes: this person made the route that would change."""

    status, code = 403, "four_eyes"


# ── the night ──


def open_from(found: Iterable[Result], night: dt.date) -> list[Proposal]:
    """Refresh, close and open the switches of every task type after this night; those that are open after it."""
    found = list(found)
    best = best_switches(found)
    proved = {(one.task_type, one.incumbent, one.challenger): one for one in found if one.verdict is not None}
    routes, arms = current_routes(), current_arms()
    for proposal in Proposal.objects.select_for_update().filter(status=ProposalStatus.OPEN, kind__in=PROVED):
        _revisit(proposal, night, proved, best, routes, arms)
    taken = set(
        Proposal.objects.filter(status=ProposalStatus.OPEN, kind__in=SWITCHES).values_list("task_type", flat=True)
    )
    for task, one in best.items():
        steps = routes.get(task, [])
        is_current = bool(steps) and steps[0] == one.incumbent and one.challenger in arms
        if task not in taken and is_current and not _is_settled(one, night):
            proposal = Proposal(task_type=task, from_model=one.incumbent, to_model=one.challenger, opened_on=night)
            _refresh(proposal, one, steps, arms)
    return list(Proposal.objects.filter(status=ProposalStatus.OPEN).order_by("pk"))


def _revisit(
    proposal: Proposal,
    night: dt.date,
    proved: Mapping[tuple[str, str, str], Result],
    best: Mapping[str, Result],
    routes: Mapping[str, list[str]],
    arms: Mapping[str, Arm],
) -> None:
    """An open proposal after another night: supported, superseded, expired, or just waiting."""
    steps = routes.get(proposal.task_type, [])
    one = proved.get((proposal.task_type, proposal.from_model, proposal.to_model))
    rival = best.get(proposal.task_type)
    if steps[:1] != [proposal.from_model]:
        _close(proposal, ProposalStatus.SUPERSEDED, "The route was changed meanwhile.")
    elif one is not None and rival is not None and rival is not one and _saves_more(rival, one):
        _close(proposal, ProposalStatus.SUPERSEDED, f"{sentences.slug_of(rival.challenger)} saves more.")
    elif one is not None:
        _refresh(proposal, one, steps, arms)
    elif night - proposal.supported_on >= EXPIRES_AFTER:
        _close(proposal, ProposalStatus.EXPIRED, f"The evidence has not supported it for {EXPIRES_AFTER.days} nights.")


def _saves_more(rival: Result, one: Result) -> bool:
    return (rival.saving_per_day or 0.0) > BETTER_SAVING * max(one.saving_per_day or 0.0, 0.0)


def _refresh(proposal: Proposal, one: Result, steps: list[str], arms: Mapping[str, Arm]) -> None:
    saving = one.saving_per_day
    proposal.kind = ProposalKind(str(one.verdict))
    proposal.simulated = one.simulated
    proposal.evidence = evidence_of(one)
    proposal.evidence_sha256 = data_hash(one)
    proposal.explanation = sentences.explain(one)
    proposal.saving_per_month_usd = None if saving is None else Decimal(f"{saving * MONTH_DAYS:.6f}")
    proposal.base_steps = steps
    proposal.base_revision = Revision.objects.values_list("number", flat=True).first() or 0
    proposal.base_prices = {
        key: {"version": arms[key].version, "price": arms[key].price}
        for key in (one.incumbent, one.challenger)
        if key in arms
    }
    proposal.as_of = proposal.supported_on = one.as_of
    proposal.save()


def _close(proposal: Proposal, status: ProposalStatus, why: str) -> None:
    proposal.status, proposal.comment = status, why
    proposal.decided_at, proposal.decided_by_name = timezone.now(), audit.SYSTEM.name
    proposal.save()


def _is_settled(one: Result, night: dt.date) -> bool:
    """A person said no to this change not long ago."""
    return Proposal.objects.filter(
        task_type=one.task_type,
        from_model=one.incumbent,
        to_model=one.challenger,
        status=ProposalStatus.REJECTED,
        as_of__gt=night - REJECTED_FOR,
    ).exists()


def evidence_of(one: Result) -> dict[str, Any]:
    """The contract's evidence object, and what the pages show beside it."""
    told: dict[str, Any] = as_json(one)
    rates = {name: told[name] for name in ("rate_incumbent", "rate_challenger", "cost_incumbent", "cost_challenger")}
    counts = {
        name: told[name]
        for name in ("successes_incumbent", "successes_challenger", "challengers", "is_dearer", "unpriced")
    }
    kept = ("as_of", "since", "nights", "n_incumbent", "n_challenger", "success", "cost", "ttft", "total", "e_value")
    rest = ("threshold", "margin", "comparisons_tonight", "buckets", "saving_per_day", "simulated", "definition")
    return {name: told[name] for name in (*kept, *rest)} | rates | counts


def data_hash(one: Result) -> str:
    """SHA-256 of the blocks that the comparison was computed from."""
    names = [field.name for field in Block._meta.concrete_fields if not field.primary_key]
    rows = Block.objects.filter(task_type=one.task_type, night__gte=one.since, night__lte=one.as_of)
    rows = rows.order_by("night", "definition", "simulated", "bucket", "shares", "model", "version")
    text = json.dumps(list(rows.values_list(*names)), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


# ── people ──


def get(number: int) -> Proposal:
    """Raises Unknown."""
    proposal = Proposal.objects.filter(pk=number).first()
    if proposal is None:
        raise Unknown(f"There is no proposal {number}.")
    return proposal


@transaction.atomic
def approve(number: int, *, by: Actor, comment: str = "") -> Proposal:
    """Make the proposed route the table's next revision. Raises Unknown, Conflict or Forbidden; then nothing has changed."""
    proposal = _open_one(number)
    _four_eyes(proposal, by)
    check(proposal)
    reason = comment or proposal.explanation
    revision = changes.change_route(
        proposal.task_type,
        steps_after(proposal.base_steps, proposal.to_model),
        by=by,
        reason=reason,
        source="proposal",
        proposal_id=proposal.pk,
    )
    proposal.applied_revision = revision.number
    return _decided(proposal, ProposalStatus.APPROVED, by, comment)


@transaction.atomic
def reject(number: int, *, by: Actor, comment: str = "") -> Proposal:
    """Close it without a change. Raises Unknown, Conflict when it is decided, or Invalid without a reason."""
    proposal = _open_one(number)
    if not comment.strip():
        raise Invalid([Problem("comment", "say why it is rejected")])
    return _decided(proposal, ProposalStatus.REJECTED, by, comment)


@transaction.atomic
def revert(number: int, *, by: Actor, comment: str = "") -> Proposal:
    """Give the route back the steps that an approved proposal took. Raises Unknown, or Conflict when it has changed since."""
    proposal = Proposal.objects.select_for_update().filter(pk=number).first() or get(number)
    if proposal.applied_revision is None or proposal.reverted_revision is not None:
        raise Conflict("not_applied", f"Proposal {number} is not in force, so there is nothing to revert.")
    applied = steps_after(proposal.base_steps, proposal.to_model)
    if current_routes().get(proposal.task_type) != applied:
        raise Conflict(
            "route_moved", f"The route of {proposal.task_type} was changed after proposal {number}. Edit it instead."
        )
    revision = changes.change_route(
        proposal.task_type,
        proposal.base_steps,
        by=by,
        reason=comment or f"Proposal {number} reverted",
        source="restore",
        proposal_id=proposal.pk,
    )
    proposal.reverted_revision = revision.number
    proposal.save(update_fields=["reverted_revision"])
    audit.write("proposal.revert", f"proposal:{number}", by=by, after={"revision": revision.number}, reason=comment)
    return proposal


def check(proposal: Proposal) -> None:
    """Is what the proposal stands on still so, on all data since? Raises Conflict with what moved."""
    steps, arms = current_routes().get(proposal.task_type), current_arms()
    if steps != proposal.base_steps:
        raise Conflict(
            "route_moved", f"The route of {proposal.task_type} has changed since: it is now {_chain(steps or [])}."
        )
    for key, base in proposal.base_prices.items():
        if key not in arms or arms[key].version != base["version"]:
            raise Conflict("model_moved", f"{key} is not the model that was measured any more.")
        if arms[key].price != base["price"]:
            raise Conflict("price_moved", f"The price of {key} has changed since.")
    new, old = arms.get(proposal.to_model), arms.get(proposal.from_model)
    if new is None or (not new.can_dispatch and old is not None and old.can_dispatch):
        raise Conflict("cannot_dispatch", f"{proposal.to_model} cannot dispatch: enable it and its provider first.")
    if proposal.kind in PROVED:
        _retest(proposal)


def _retest(proposal: Proposal) -> None:
    """The newest night's evidence for the pair must still speak for it."""
    rows = Comparison.objects.filter(task_type=proposal.task_type, simulated=proposal.simulated)
    newest = rows.order_by("-night").values_list("night", flat=True).first()
    of_pair = rows.filter(incumbent=proposal.from_model, challenger=proposal.to_model).order_by("-night", "-since")
    pair = of_pair.first()
    if pair is None or pair.night != newest:
        raise Conflict("evidence_moved", "The newest night does not compare these two models any more.")
    proof = next((one for one in pair.result["proofs"] if one["kind"] == proposal.kind), None)
    if proof is not None and proof["log_e"] is not None and proof["log_e"] < 0:
        raise Conflict(
            "evidence_moved", f"The data since have taken the evidence back: E = {proof['e_value']:.2g} on {newest}."
        )


def _open_one(number: int) -> Proposal:
    proposal = Proposal.objects.select_for_update().filter(pk=number).first() or get(number)
    if proposal.status != ProposalStatus.OPEN:
        who = f" by {proposal.decided_by_name}" if proposal.decided_by_name else ""
        when = f" on {proposal.decided_at:%Y-%m-%d %H:%M} UTC" if proposal.decided_at else ""
        raise Conflict("already_decided", f"Proposal {number} was {proposal.status}{who}{when}.")
    return proposal


def _four_eyes(proposal: Proposal, by: Actor) -> None:
    """Who made the route, or changed it since the proposal was opened, does not approve; a key counts as its maker."""
    if not TaskType.objects.filter(slug=proposal.task_type, four_eyes=True).exists():
        return
    if by.user_id is None:
        raise Forbidden(f"{proposal.task_type} needs a second person's approval, and {by.name} is no person.")
    touching = Revision.objects.filter(task_types__contains=[proposal.task_type])
    maker = touching.filter(created_at__lte=proposal.created_at).order_by("-number").first()
    authors = {one.by_id for one in touching.filter(created_at__gt=proposal.created_at)} | {maker and maker.by_id}
    if by.user_id in authors:
        raise Forbidden(f"{by.name} made the present route of {proposal.task_type}: a second person must approve.")


def _decided(proposal: Proposal, status: ProposalStatus, by: Actor, comment: str) -> Proposal:
    proposal.status, proposal.comment, proposal.decided_at = status, comment, timezone.now()
    proposal.decided_by_id, proposal.decided_by_name = by.user_id, by.name[:200]
    proposal.save()
    verb = "approve" if status == ProposalStatus.APPROVED else "reject"
    after = {"status": str(status), "revision": proposal.applied_revision}
    audit.write(
        f"proposal.{verb}", f"proposal:{proposal.pk}", by=by, before={"status": "open"}, after=after, reason=comment
    )
    return proposal


def _chain(steps: list[str]) -> str:
    return " → ".join(map(sentences.slug_of, steps)) or "gone"
