"""Who pays for an attempt, how much is held for it, and what it comes to.

An attempt is paid for by the budgets of its client, key, project and task type, and by its provider's unless a client's own credential pays that.
A model without a price is estimated at nothing: its calls are listed as unpriced, and go on until the limit is reached by others.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from routing.budgets import NOTHING, Payer, Reservation, Unpaid, reserve
from routing.policy.cost import at_most
from routing.snapshot import Snapshot
from routing.terms.candidate import Candidate, Skipped
from routing.terms.quick import quick
from routing.terms.record import AttemptRecord, Intent
from routing.terms.words import BudgetAction, CredentialKind, ProviderKind, SkipReason, Status, TaskKind

BYTES_A_TOKEN: Final = 4  # of `size`, which was made of the body's bytes
_ANSWERED = frozenset({Status.OK, Status.PARTIAL})


@quick
@dataclass(frozen=True, slots=True)
class Writes:
    """What an attempt may write."""

    max_tokens: int | None  # of one answer; None: it names no bound
    answers: int = 1


async def pay(
    known: Snapshot, intent: Intent, candidate: Candidate, writes: Writes, degraded: frozenset[str]
) -> Reservation:
    """Hold the attempt's estimate at each budget that must hold. Raises Unpaid.

    `degraded`: the budgets whose limit this call has met; those let cheaper models take over, and hold nothing for them.
    """
    payers = _payers(known, intent, candidate, degraded)
    estimate = _estimate(known, intent, candidate, writes) if payers else None
    return await reserve(payers, estimate, intent.id) if estimate else NOTHING


def _payers(known: Snapshot, intent: Intent, candidate: Candidate, degraded: frozenset[str]) -> list[Payer]:
    scopes = [f"client:{intent.client}", f"key:{intent.key_prefix}", f"task:{intent.task_type}"]
    if intent.project:
        scopes.append(f"project:{intent.project}")
    if candidate.credential_kind is not CredentialKind.CALLER:
        scopes.append(f"provider:{candidate.provider}")
    simulated = candidate.kind is ProviderKind.SIMULATED
    return [
        payer
        for scope in scopes
        if (payer := known.payers.get(scope)) is not None
        and scope not in degraded
        and scope not in known.health.degraded
        and (payer.counts_simulated or not simulated)
    ]


def _estimate(known: Snapshot, intent: Intent, candidate: Candidate, writes: Writes) -> Decimal | None:
    model = known.table.models.get(candidate.key)
    size_bytes = intent.size * BYTES_A_TOKEN + BYTES_A_TOKEN - 1  # what was cut off in the division included
    embeds = model is not None and model.kind is TaskKind.EMBEDDING
    return at_most(known.rates.get(candidate.key), size_bytes, 0 if embeds else writes.max_tokens, writes.answers)


def charged(record: AttemptRecord, paid: Reservation) -> AttemptRecord:
    """The record with what a budget is charged: the estimate for an answer of which nobody told the usage. Its price says so."""
    if record.usage is not None or record.status not in _ANSWERED or not paid.estimate:
        return record
    return replace(record, cost_usd=paid.estimate, price="estimated")


def left_out(candidate: Candidate, unpaid: Unpaid) -> Skipped:
    """Why the candidate was not tried."""
    scope = unpaid.payer.scope
    if unpaid.payer.action is BudgetAction.DEGRADE:
        reason, detail = SkipReason.DEGRADED, f"degraded by the budget of {scope}"
    elif unpaid.is_away:
        reason, detail = SkipReason.NOT_READY, f"not paid for: the budget of {scope} cannot be asked just now"
    else:
        reason, detail = SkipReason.BUDGET, f"stopped by the budget of {scope}, {what_is_left(unpaid)}"
    return Skipped(candidate.provider, candidate.model, reason, detail)


def what_is_left(unpaid: Unpaid) -> str:
    """ "of which $0.01 is left where up to $0.05 is needed" """
    return f"of which {_dollars(unpaid.left)} is left where up to {_dollars(unpaid.estimate)} is needed"


def _dollars(usd: Decimal) -> str:
    """To the cent, or with as many places as it takes to tell it from nothing."""
    if not usd or usd >= Decimal("0.1"):
        return f"${usd:,.2f}"
    return f"${format(usd.normalize(), 'f')[:10]}"
