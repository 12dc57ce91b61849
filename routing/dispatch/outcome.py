"""How a dispatch ends: a Result, or a Refused that says what to do."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from routing.attempt import Tried
from routing.terms.candidate import Candidate
from routing.terms.fault import Fault
from routing.terms.quick import quick
from routing.terms.raw import Passed
from routing.terms.record import AttemptRecord
from routing.terms.request import Answer, Usage
from routing.terms.words import CredentialKind, ErrorKind

_PASSED = frozenset({400, 404, 413, 415, 422})  # of a provider, told to the caller as they are
# Of Cortex's own credential, and so its own affair; the caller is told of the caller's.
_OF_CREDENTIAL = frozenset({ErrorKind.AUTH, ErrorKind.PAYMENT})


@quick
@dataclass(frozen=True, slots=True)
class Begun:
    """The first content of a streamed call is here: who serves it, and how it came to that."""

    request_id: UUID
    task_type: str
    provider: str
    model: str
    served_model: str  # as the provider names it
    attempts: int  # tries, this one included
    used_fallback: bool
    reason: str
    revision: int
    simulated: bool
    usage: Usage | None  # what the provider told of the input
    passed: Mapping[str, str] | None = None  # the provider's headers for the client; None: the stream is not relayed
    credential_kind: CredentialKind = CredentialKind.NONE  # whose account answers


@quick
@dataclass(frozen=True, slots=True)
class Result:
    """An answer, with all that a caller may want to know of how it came."""

    request_id: UUID
    task_type: str
    provider: str
    model: str
    answer: Answer
    attempts: tuple[AttemptRecord, ...]
    cost_usd: Decimal | None  # of all attempts; None: one of them is unpriced
    ttft_ms: int | None
    total_ms: int
    used_fallback: bool
    reason: str
    revision: int
    simulated: bool
    second_opinion: "Opinion | None" = None
    credential_kind: CredentialKind = CredentialKind.NONE  # whose account answered


@dataclass(frozen=True, slots=True)
class Opinion:
    """What another provider's model said to the same request. A failed one has no answer."""

    attempt: AttemptRecord
    answer: Answer | None


class Refused(Exception):
    """A call without an answer. `status` and `code` are the contract's; the message says what happened, to what, and what to do."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        request_id: UUID | None = None,
        retryable: bool = False,
        retry_after_s: float | None = None,
        details: Mapping[str, Any] | None = None,
        attempts: tuple[AttemptRecord, ...] = (),
        passed: Passed | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.request_id, self.retryable = request_id, retryable
        self.retry_after_s = None if retry_after_s is None else max(1, math.ceil(retry_after_s))
        self.details = dict(details or {})
        self.attempts = attempts
        self.passed = passed  # the last provider's own error, for a client of its wire

    @property
    def credential_kind(self) -> CredentialKind:
        """Whose account refused, where a provider did."""
        return self.attempts[-1].credential_kind if self.attempts else CredentialKind.NONE


@dataclass(frozen=True, slots=True)
class Ending:
    """What a fault of the last attempt means to the caller."""

    status: int
    code: str
    message: str
    retryable: bool
    details: Mapping[str, Any] = field(default_factory=dict)
    passed: Passed | None = None


def at_its_deadline(tried: Tried, deadline: float) -> Tried:
    """A timeout at the caller's own deadline (of time.perf_counter) is not the provider's fault."""
    fault = tried.fault
    if fault is not None and fault.kind is ErrorKind.TIMEOUT and time.perf_counter() >= deadline:
        return replace(tried, fault=replace(fault, kind=ErrorKind.DEADLINE))
    return tried


def broken(fault: Fault, candidate: str) -> Ending:
    """What a caller is told of a stream that ends after its first content: nobody else may finish another's sentence."""
    if fault.kind is ErrorKind.DEADLINE:
        return Ending(504, "deadline", f"The deadline passed while {candidate} was answering.", True)
    words = f"{candidate} broke off in the middle of its answer: {fault.message}. What came until then is all there is; ask again."
    return Ending(502, "stream_broken", words, True)


def ending_of(fault: Fault, candidate: Candidate) -> Ending:
    """The answer to the caller when no further candidate is tried after this one's fault.

    Who speaks the provider's wire gets the provider's own error.
    """
    passed, is_callers = fault.passed, candidate.credential_kind is CredentialKind.CALLER
    if passed is not None and (passed.status < 400 or (fault.kind in _OF_CREDENTIAL and not is_callers)):
        passed = None
    return replace(_ending_of(fault, candidate.key), passed=passed)


def _ending_of(fault: Fault, candidate: str) -> Ending:
    if fault.kind is ErrorKind.DEADLINE:
        return Ending(504, "deadline", f"The deadline passed while {candidate} was answering.", True)
    if fault.kind in (ErrorKind.CLIENT, ErrorKind.CONTENT_POLICY, ErrorKind.CONTEXT_WINDOW):
        status = fault.http_status if fault.http_status in _PASSED else 400
        code = {ErrorKind.CONTENT_POLICY: "content_policy", ErrorKind.CONTEXT_WINDOW: "context_too_long"}
        details = {"provider_error": fault.body} if fault.body is not None else {}
        return Ending(status, code.get(fault.kind, "provider_refused"), fault.message, False, details)
    return Ending(502, "all_candidates_failed", f"Every candidate failed; the last, {candidate}: {fault.message}", True)
