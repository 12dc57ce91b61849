"""What follows from a fault: the error table, as data.

`next`: whether another candidate may be tried. `rests`: what is left alone for a while, so that the next call does not meet the same fault.
The same candidate is never tried again in a call.
"""

from dataclasses import dataclass
from enum import StrEnum

from routing.terms.fault import Fault
from routing.terms.words import ErrorKind

LONGEST_COOLDOWN_S = 3600.0  # whatever a Retry-After asks for


class Next(StrEnum):
    ANY = "any"
    LARGER_WINDOW = "larger_window"
    NONE = "none"  # the caller gets the error as the provider said it


class Rests(StrEnum):
    NOTHING = "nothing"
    COOLDOWN = "cooldown"  # this credential with this model
    CIRCUIT = "circuit"  # the model at this provider: counted, opens after several
    CREDENTIAL = "credential"  # the whole credential, until its reset; its quota is exhausted
    NOT_READY = "not_ready"  # the whole credential, until a person has seen to it


@dataclass(frozen=True, slots=True)
class Consequence:
    next: Next
    rests: Rests


_TABLE: dict[ErrorKind, Consequence] = {
    ErrorKind.CONNECT: Consequence(Next.ANY, Rests.CIRCUIT),
    ErrorKind.TIMEOUT: Consequence(Next.ANY, Rests.CIRCUIT),
    ErrorKind.RATE_LIMIT: Consequence(Next.ANY, Rests.COOLDOWN),
    ErrorKind.SERVER: Consequence(Next.ANY, Rests.CIRCUIT),
    ErrorKind.MALFORMED: Consequence(Next.ANY, Rests.CIRCUIT),
    ErrorKind.TRUNCATED: Consequence(Next.ANY, Rests.CIRCUIT),
    ErrorKind.AUTH: Consequence(Next.ANY, Rests.NOT_READY),
    ErrorKind.PAYMENT: Consequence(Next.ANY, Rests.CREDENTIAL),
    ErrorKind.CLIENT: Consequence(Next.NONE, Rests.NOTHING),
    ErrorKind.CONTENT_POLICY: Consequence(Next.NONE, Rests.NOTHING),
    ErrorKind.CONTEXT_WINDOW: Consequence(Next.LARGER_WINDOW, Rests.NOTHING),
    ErrorKind.CANCELLED: Consequence(Next.NONE, Rests.NOTHING),
    ErrorKind.DEADLINE: Consequence(Next.NONE, Rests.NOTHING),
    ErrorKind.CONFIG: Consequence(Next.ANY, Rests.NOTHING),
}
_MAY_NAME_A_TIME = frozenset({ErrorKind.SERVER, ErrorKind.MALFORMED, ErrorKind.TRUNCATED})


def consequence(fault: Fault) -> Consequence:
    """What follows from the fault. A server's error that names a time to come back is a cooldown: the provider is up and says so."""
    if fault.kind in _MAY_NAME_A_TIME and fault.retry_after_s is not None:
        return _TABLE[ErrorKind.RATE_LIMIT]
    return _TABLE[fault.kind]


def cooldown_of(fault: Fault, route_s: float) -> float:
    """Seconds to rest: what the provider asked for, else the route's; at most an hour."""
    asked = fault.retry_after_s
    return min(route_s if asked is None else max(asked, 0.0), LONGEST_COOLDOWN_S)
