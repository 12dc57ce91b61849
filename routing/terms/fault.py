"""What went wrong in one attempt: a value that the policy reads, and the exception that carries it out of an adapter."""

from dataclasses import dataclass

from routing.terms.raw import Passed
from routing.terms.words import ErrorKind


@dataclass(frozen=True, slots=True)
class Fault:
    kind: ErrorKind
    message: str  # the provider's own words where it had any, without secrets, at most 2,000 characters
    http_status: int | None = None  # None: no answer came
    retry_after_s: float | None = None  # what the provider asked for; None when it asked for nothing
    body: object | None = None  # the provider's JSON error body, passed to the caller for a client error
    code: str | None = None  # the provider's own error code or type
    passed: Passed | None = None  # of a relayed call: the whole error, in the client's own wire


class Failed(Exception):
    """An attempt that brought no answer. Adapters raise nothing else."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault
