"""What a call with an Idempotency-Key and whoever has claimed that key for it know of each other. Other calls have none of this."""

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from routing.terms.ids import uuid7
from routing.terms.record import AttemptRecord
from routing.terms.words import ErrorKind, Status

# What a provider says of a request itself: it would say it again.
_OF_THE_REQUEST = frozenset({400, 404, 413, 415, 422})
_NO_CONNECTION = "no connection"  # how the message of a CONNECT fault begins when nothing was sent


class Verdict(StrEnum):
    """What becomes of a key when its call has ended."""

    KEEP = "keep"  # the answer is replayed
    RELEASE = "release"  # no provider did any work: the same key may try again
    UNKNOWN = "unknown"  # one may have, and there is no answer that tells


@dataclass(slots=True)
class Keyed:
    call: UUID  # its request_id, which the claim names before the call is made
    attempts: Sequence[AttemptRecord] | None = None  # of the call, growing; None: it was never begun
    is_committing: bool = False  # no call but a batch: its rows are about to be there, or there


current: ContextVar[Keyed | None] = ContextVar("keyed", default=None)


def id_of(moment: datetime) -> UUID:
    """The name of a call that begins now."""
    keyed = current.get()
    return uuid7(moment) if keyed is None or keyed.attempts is not None else keyed.call


def begun(call: UUID, attempts: Sequence[AttemptRecord]) -> None:
    """From now on providers may be asked for this call; `attempts` grows with each that was."""
    keyed = current.get()
    if keyed is not None and keyed.call == call:
        keyed.attempts = attempts


def committing() -> None:
    """What was asked for is kept from now on, to be done later; whether it was is for the answer to say."""
    keyed = current.get()
    if keyed is not None:
        keyed.is_committing = True


def verdict(keyed: Keyed, status: int | None) -> Verdict:
    """`status` is that of the answer; None when it never came to its end."""
    if keyed.is_committing:
        return Verdict.KEEP if status is not None and status < 400 else Verdict.UNKNOWN
    if keyed.attempts is None:
        return Verdict.RELEASE
    is_providers = bool(keyed.attempts) and keyed.attempts[-1].http_status == status
    if status is None or (status == 500 and not is_providers):
        return Verdict.UNKNOWN  # Cortex itself failed, perhaps while a provider was answering
    if status < 400 or any(map(_may_have_worked, keyed.attempts)):
        return Verdict.KEEP
    return Verdict.KEEP if keyed.attempts and status in _OF_THE_REQUEST else Verdict.RELEASE


def _may_have_worked(attempt: AttemptRecord) -> bool:
    """Could the provider have done the work, and want its money? Not when it answered with an error, or was never reached."""
    if attempt.status is not Status.ERROR:
        return True
    if attempt.http_status is not None and attempt.http_status >= 400:
        return False
    if attempt.error_kind is ErrorKind.CONNECT:
        return not attempt.error_message.startswith(_NO_CONNECTION)
    return attempt.error_kind is not ErrorKind.CONFIG
