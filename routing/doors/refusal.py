"""Whatever ends a call before its answer, as the status, code and words that a wire puts into its own shape."""

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import InterfaceError, OperationalError

from routing.callers import NoKey, NotAllowed, NotReady
from routing.dispatch import Refused
from routing.doors.exchange import Malformed, Packed
from routing.policy import resolve
from routing.snapshot import NotLoaded
from routing.terms.raw import Passed
from routing.wire.base import Unreadable
from routing.wire.body import Unparsed

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    status: int
    code: str
    message: str
    request_id: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    retry_after_s: int | None = None
    passed: Passed | None = None  # the provider's own error, to be handed on instead
    tries: int = 0
    more: Mapping[str, str] = field(default_factory=dict)  # headers of its own

    @property
    def headers(self) -> dict[str, str]:
        told = {"X-Cortex-Request-Id": self.request_id} if self.request_id else {}
        told |= self.more
        if self.retry_after_s is not None:
            told["Retry-After"] = str(self.retry_after_s)
        # The SDKs try again by themselves what they think may pass; Cortex has already tried everybody. A lone provider's own error is theirs.
        if self.status in (502, 504) and not (self.passed and self.tries == 1):
            told["X-Should-Retry"] = "false"
        return told


def refusal_of(error: Exception) -> Refusal:
    """What to tell of an exception; a defect is logged and told without its words."""
    if isinstance(error, Refused):
        return Refusal(
            status=error.status,
            code=error.code,
            message=error.message,
            request_id=str(error.request_id or ""),
            details=error.details,
            retry_after_s=error.retry_after_s,
            passed=error.passed,
            tries=len(error.attempts),
        )
    if isinstance(error, Unreadable):
        return Refusal(400, "invalid_request", error.message, details={"path": error.path})
    if isinstance(error, Malformed | Unparsed):
        return Refusal(400, "malformed", str(error))
    if isinstance(error, Packed):
        return Refusal(415, "unsupported_media_type", str(error), more={"Accept-Encoding": "identity"})
    if isinstance(error, NoKey | NotAllowed):
        return Refusal(error.status, error.code, str(error))
    if isinstance(error, NotReady | NotLoaded):
        return Refusal(503, "not_ready", str(error), retry_after_s=1)
    if isinstance(error, resolve.Unknown) and error.what == "model":
        way_out = f"{error.way_out}, or name" if isinstance(error, resolve.Unlisted) else "Name"
        words = f"{error} {way_out} a model of the routing table, 'task:TASK_TYPE', or 'auto'."
        return Refusal(404, "model_not_found", words, details={"path": "model"})
    if isinstance(error, LookupError) and isinstance(error, resolve.Unknown | resolve.Ambiguous):
        code = "ambiguous" if isinstance(error, resolve.Ambiguous) else f"unknown_{error.what}"
        return Refusal(422, code, str(error), details={"path": "model"})
    if isinstance(error, OperationalError | InterfaceError):  # of a key that this process does not know
        logger.warning("PostgreSQL does not answer: %s", error)
        return Refusal(
            503, "unavailable", "PostgreSQL does not answer now; keys that are known go on.", retry_after_s=5
        )
    request_id = str(uuid.uuid4())
    logger.error("A call over a wire failed of a defect, %s", request_id, exc_info=error)
    return Refusal(500, "internal", "Cortex failed. The log tells more under this request_id.", request_id)
