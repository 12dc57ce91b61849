"""The arm of a call: by the draw, or what its session began with."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from routing import sessions
from routing.policy.draw import drawn, uniform
from routing.policy.pins import pinned, scope_of
from routing.snapshot import Snapshot
from routing.terms.candidate import Candidate, Pin, Plan
from routing.terms.ids import item_of
from routing.terms.quick import quick
from routing.terms.request import Ask


@quick
@dataclass(frozen=True, slots=True)
class Arm:
    plan: Plan
    candidates: tuple[Candidate, ...]  # in the order in which they are tried
    propensity: float | None  # of the first one; None where it means nothing
    item: UUID  # the work item
    u: float  # its number, which the draw goes by


def arm(
    known: Snapshot, ask: Ask, client: str, thread: str, now: datetime, *, is_session: bool, begins: bool = True
) -> Arm:
    """Whom a call of the thread is to go to. A session that is not remembered yet is from here on, if its call `begins` it."""
    item = item_of(ask.task_type, client, thread)
    u, plan = uniform(item, known.draw_key), known.plan(ask, now)
    candidates, propensity = drawn(plan, u)
    if is_session:
        first, scope = candidates[0] if candidates else None, scope_of(ask)
        pin = sessions.begun(item, scope, now)
        if pin is None and first is not None and begins:
            sessions.begin(item, scope, Pin(first.key, first.role), now)
        bound = pinned(known.table, ask, pin, first, now) if pin is not None else None
        if bound is not None:
            plan = known.plan(bound, now)
            candidates, propensity = plan.candidates, None  # later calls of an item are no evidence
    return Arm(plan, candidates, propensity, item, u)


def in_session(known: Snapshot, ask: Ask, client: str, session: str, now: datetime) -> Plan:
    """The undrawn plan of a call in the session, which is not remembered for that."""
    plan = known.plan(ask, now)
    pin = sessions.begun(item_of(ask.task_type, client, session), scope_of(ask), now) if session else None
    first = plan.candidates[0] if plan.candidates else None
    bound = pinned(known.table, ask, pin, first, now) if pin is not None else None
    return plan if bound is None else known.plan(bound, now)
