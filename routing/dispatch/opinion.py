"""A second opinion: what another provider's model says to the same request. Its failure never hurts the first answer."""

import time
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime

from routing.attempt import attempt
from routing.dispatch.ledger import Ledger
from routing.dispatch.outcome import Opinion, at_its_deadline
from routing.policy.chain import chain
from routing.providers.registry import adapter_for
from routing.snapshot import Snapshot
from routing.terms.candidate import Candidate, Plan
from routing.terms.request import Ask, Request, Timeouts
from routing.terms.words import CredentialKind, Role
from routing.wire.base import Unreadable


async def opinion(
    known: Snapshot,
    plan: Plan,
    ask: Ask,
    request: Request,
    ledger: Ledger,
    served: Candidate,
    *,
    timeouts: Timeouts,
    deadline: float,
) -> Opinion | None:
    """The second answer; None when nobody else could give one, or there is no time left. `deadline` is of time.perf_counter."""
    tried = {f"{each.provider}:{each.model}" for each in ledger.attempts}
    other = _other(known, plan, ask, served, tried)
    endpoint = known.endpoint(other) if other else None
    left_s = deadline - time.perf_counter()
    if other is None or endpoint is None or left_s <= 0 or ask.bound:  # what is bound to a wire is not translated
        return None
    try:
        request = request.whole()
    except Unreadable:
        return None
    ledger.fall_back(other)
    limits = replace(timeouts, total_s=left_s)
    brought = await attempt(adapter_for(other.kind), other, endpoint, request, limits)
    ledger.note(other, at_its_deadline(brought, deadline), Role.SECOND_OPINION)
    return Opinion(ledger.attempts[-1], brought.answer)


def _other(known: Snapshot, plan: Plan, ask: Ask, served: Candidate, tried: Collection[str]) -> Candidate | None:
    """A candidate of another provider: of the route, else of the tier chain."""
    for candidate in plan.candidates:
        is_ours = candidate.credential_kind is not CredentialKind.CALLER  # a client's own is for what it asked itself
        if is_ours and candidate.provider != served.provider and candidate.key not in tried:
            return candidate
    for hop in chain(known.table, served.key):
        if not hop.model.startswith(f"{served.provider}:") and hop.model not in tried:
            found = known.plan(
                replace(ask, override=hop.model, fallback="none", brings=""), datetime.now(UTC)
            ).candidates
            if found:
                return found[0]
    return None
