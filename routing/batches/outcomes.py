"""What became of one call of a batch, as its row will say it."""

import json
import logging
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from routing.dispatch import Refused, Result
from routing.dispatch.records import total
from routing.dispatch.told import refused_out, result_out
from routing.policy import resolve
from routing.terms.record import AttemptRecord
from routing.terms.words import ErrorKind, ItemStatus

log = logging.getLogger(__name__)
MOST_TRIES = 20  # with their pauses some three hours, or as long as the providers ask for
LONGEST_PAUSE_S = 900.0


@dataclass(frozen=True, slots=True)
class Ended:
    """`answer` is JSON: a dispatch's own body, or {"error": …}; None where there is nothing to tell."""

    status: ItemStatus
    code: str = ""
    answer: str | None = None
    cost_usd: Decimal | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


def answered(result: Result) -> Ended:
    usage = result.answer.usage
    return Ended(
        ItemStatus.DONE,
        answer=_json(result_out(result)),
        cost_usd=result.cost_usd,
        input_tokens=usage.input_tokens if usage else None,
        output_tokens=usage.output_tokens if usage else None,
    )


def refused(error: Refused) -> Ended:
    return Ended(ItemStatus.FAILED, error.code, _json({"error": refused_out(error)}), cost_usd=total(error.attempts))


def failed(error: Exception) -> Ended:
    """Of a call that never came to be: a name that the table does not know any more, a prompt that no key opens, a defect."""
    if isinstance(error, resolve.Unknown | resolve.Ambiguous):
        code = "ambiguous" if isinstance(error, resolve.Ambiguous) else f"unknown_{error.what}"
        return worded(code, str(error))
    log.error("A call of a batch failed of a defect: %s", type(error).__name__)  # its text may quote the prompt
    return worded("internal", f"Cortex failed of a defect ({type(error).__name__}).")


def worded(code: str, message: str, status: ItemStatus = ItemStatus.FAILED) -> Ended:
    return Ended(status, code, _json({"error": {"code": code, "message": message, "retryable": False}}))


def pause_of(error: Refused, tries: int) -> float | None:
    """How long to wait before the call is tried again; None when it must not be.

    Only what cost nothing for certain may be tried again: no provider was called, or each said that it had no room.
    """
    is_free = all(_is_free(each) for each in error.attempts)
    if not (error.retryable and is_free) or tries >= MOST_TRIES or error.status == 504:
        return None
    return min(max(error.retry_after_s or 0.0, float(2 ** min(tries, 10) - 1)), LONGEST_PAUSE_S)


def _is_free(attempt: AttemptRecord) -> bool:
    return attempt.error_kind is ErrorKind.RATE_LIMIT and attempt.cost_usd is None


def _json(body: dict[str, Any]) -> str:
    return json.dumps(body, separators=(",", ":"), default=str)
