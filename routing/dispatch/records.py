"""The lines that a call leaves: what was asked, how an attempt went, what it cost."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from routing.attempt import Tried
from routing.clients import Caller
from routing.policy.cost import Rates, amount, card_of
from routing.policy.draw import canonical, uniform
from routing.policy.pins import spelled
from routing.snapshot import Snapshot
from routing.terms.candidate import Candidate, Plan
from routing.terms.record import AttemptRecord
from routing.terms.request import Ask
from routing.terms.words import ErrorKind, ProviderKind, Role, Status

SIMULATED_PRICE = "simulated"


def asked_of(ask: Ask, caller: Caller, plan: Plan) -> dict[str, Any]:
    """An intent's fields that say who asked for what, and by which plan."""
    return {
        "task_type": ask.task_type,
        "project": ask.project or "",
        "background": ask.background,
        "size": ask.size,
        "client": caller.client,
        "key_prefix": caller.prefix,
        "route_revision": plan.revision,
        "shares": canonical(plan.shares),
        "context": spelled(ask.context),
        "reason": plan.reason[:500],
    }


def grading_of(known: Snapshot, ask: Ask, item: UUID) -> dict[str, Any]:
    """An intent's fields that say whether its work item is drawn for grading: before routing, blind to the model."""
    task = known.table.task_types.get(ask.task_type)
    share = task.grading_share if task else 1.0
    return {"drawn": uniform(item, known.draw_key, b"grading") < share, "grading_p": share}


def attempt_of(
    candidate: Candidate, tried: Tried, *, number: int, role: Role, propensity: float | None, rates: Rates | None
) -> AttemptRecord:
    """One attempt as its row will say it, its cost frozen at today's rates."""
    fault, simulated = tried.fault, candidate.kind is ProviderKind.SIMULATED
    usage, card = tried.usage, card_of(rates, tried.usage)
    price = None if card is None or usage is None else amount(card, usage)
    source = "" if rates is None or price is None else rates.source
    return AttemptRecord(
        attempt=number,
        provider=candidate.provider,
        model=candidate.model,
        upstream_id=candidate.upstream_id,
        served_model=tried.served_model,
        credential=candidate.credential or "",
        credential_kind=candidate.credential_kind,
        role=role,
        propensity=propensity,
        status=_status_of(tried),
        started_at=tried.started_at,
        error_kind=fault.kind if fault else None,
        http_status=fault.http_status if fault else None,
        error_message=fault.message[:500] if fault else "",
        usage=usage,
        ttft_ms=tried.ttft_ms,
        total_ms=tried.total_ms,
        cost_usd=price,
        rates=card.words if card else "",
        price=SIMULATED_PRICE if simulated and source else source,
        provider_request_id=(tried.answer.provider_request_id or "")[:120] if tried.answer else "",
        simulated=simulated,
        thinking=tried.thinking[:40],
        stored=tried.answer.stored if tried.answer else "",
    )


def _status_of(tried: Tried) -> Status:
    if tried.fault is None:
        return Status.OK
    if tried.fault.kind is ErrorKind.CANCELLED:
        return Status.CANCELLED
    return Status.PARTIAL if tried.has_begun else Status.ERROR


def total(attempts: Sequence[AttemptRecord]) -> Decimal | None:
    """What all attempts cost; None when an answered one is unpriced. A failed attempt without usage costs nothing."""
    costs = [each.cost_usd for each in attempts if each.status is Status.OK or each.cost_usd is not None]
    known = [each for each in costs if each is not None]
    return sum(known, Decimal(0)) if known and len(known) == len(costs) else None
