"""Who did what, before and after: append-only, each event's hash covering the one before it, the head sealed under a key
that is not in the database.

`write` joins the caller's transaction, so that a change whose event fails does not happen. `verify` finds any single edit,
deletion (of the tail too), insertion and reordering.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction
from django.utils import timezone

from routing.models import AuditEvent, AuditHead
from routing.secrets import seals

if TYPE_CHECKING:
    from django.contrib.auth.models import User

GENESIS = "0" * 64
BROKEN = "broken"  # in place of the head's seal


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. A key counts as its maker: `user_id` is the maker's, `name` says that it was the key."""

    name: str  # "anna", "key ck_ab12 of ci", "system"
    user_id: int | None = None
    address: str = ""  # where from, as far as known

    @classmethod
    def of_user(cls, user: "User", address: str = "") -> "Actor":
        return cls(user.get_username(), user.pk, address)


SYSTEM = Actor("system")


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found. `problem` is "" when the chain is whole."""

    ok: bool
    events: int  # events that were read
    sequence: int | None  # of the first event that does not fit
    problem: str


def write(
    action: str,
    subject: str,
    *,
    by: Actor,
    before: object = None,
    after: object = None,
    reason: str = "",
) -> AuditEvent:
    """One event at the end of the chain, in the caller's transaction. Raises RuntimeError outside of one."""
    if not connection.in_atomic_block:
        raise RuntimeError(
            f"The audit event {action!r} of {subject!r} must be written in the transaction of its change."
        )
    AuditHead.objects.bulk_create([AuditHead()], ignore_conflicts=True)
    head = AuditHead.objects.select_for_update().get(pk=1)
    is_sound = _is_sealed(head)
    event = AuditEvent(
        sequence=head.count + 1,
        at=timezone.now(),
        actor_id=by.user_id,
        actor_name=by.name[:200],
        action=action,
        subject=subject[:200],
        before=before,
        after=after,
        reason=reason,
        address=by.address[:64],
        previous_hash=head.hash,
    )
    event.hash = _hash(event)
    event.save(force_insert=True)
    head.count, head.hash = event.sequence, event.hash
    head.hmac = seals(_sealed(head), "audit head")[0] if is_sound else BROKEN
    head.save()
    return event


@transaction.atomic
def reseal(*, by: Actor, reason: str) -> AuditEvent:
    """Begin to trust the head again, by an event that says who did and why: after its key was lost, or what broke it is understood."""
    event = write("audit.reseal", "audit", by=by, before={"problem": verify().problem}, reason=reason)
    head = AuditHead.objects.get(pk=1)
    AuditHead.objects.filter(pk=1).update(hmac=seals(_sealed(head), "audit head")[0])
    return event


def verify() -> Verification:
    """Read the whole chain and its head. Memory stays flat."""
    sequence, previous = 0, GENESIS
    for event in _events():
        sequence += 1
        problem = _problem(event, sequence, previous)
        if problem:
            return Verification(False, sequence, event.sequence, problem)
        previous = event.hash
    head = AuditHead.objects.filter(pk=1).first() or AuditHead()
    problem = _head_problem(head, sequence, previous)
    return Verification(not problem, sequence, sequence if problem else None, problem)


def _events() -> Iterator[AuditEvent]:
    return AuditEvent.objects.order_by("sequence").iterator(chunk_size=2000)


def _problem(event: AuditEvent, sequence: int, previous: str) -> str:
    if event.sequence != sequence:
        return f"Event {sequence} is missing: the next one is {event.sequence}."
    if event.previous_hash != previous:
        return f"Event {sequence} does not follow the event before it."
    if event.hash != _hash(event):
        return f"Event {sequence} was changed after it was written."
    return ""


def _head_problem(head: AuditHead, count: int, last: str) -> str:
    if head.count == 0 and count == 0 and head.hash == GENESIS:
        return ""
    if not _is_sealed(head):
        return "The head was changed by something that does not hold the key, or its key left CORTEX_ENCRYPTION_KEYS."
    if head.count != count:
        return f"The head counts {head.count} events, the chain has {count}."
    if head.hash != last:
        return "The last event is not the one that the head names."
    return ""


def _is_sealed(head: AuditHead) -> bool:
    """Whether a holder of a key wrote the head. A head that was forged stays so: the events that follow do not seal it again."""
    if head.count == 0 and head.hash == GENESIS and not head.hmac:
        return True
    return any(hmac.compare_digest(head.hmac, seal) for seal in seals(_sealed(head), "audit head"))


def _sealed(head: AuditHead) -> str:
    return f"{head.count}:{head.hash}"


def _hash(event: AuditEvent) -> str:
    parts = {
        "sequence": event.sequence,
        "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": event.actor_id,
        "actor_name": event.actor_name,
        "action": event.action,
        "subject": event.subject,
        "before": event.before,
        "after": event.after,
        "reason": event.reason,
        "address": event.address,
        "previous": event.previous_hash,
    }
    text = json.dumps(_canonical(parts), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(value: Any) -> Any:
    """The value with every number as its plain decimal: jsonb gives 1e22 back as an integer. The NUL marks it: no stored text has one."""
    if isinstance(value, dict):
        return {str(key): _canonical(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(inner) for inner in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return "\0" + format(Decimal(repr(value)).normalize(), "f")
    return value.isoformat() if isinstance(value, datetime) else str(value)
