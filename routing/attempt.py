"""One try of one candidate, timed by one clock. Everything that may go wrong comes back as a value."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from logging import getLogger

from routing.providers.base import Adapter, Endpoint
from routing.terms.candidate import Candidate
from routing.terms.fault import Failed, Fault
from routing.terms.request import Answer, Request, Timeouts, Usage
from routing.terms.words import ErrorKind

logger = getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tried:
    """Either an answer or a fault."""

    started_at: datetime
    total_ms: int
    answer: Answer | None = None
    fault: Fault | None = None
    ttft_ms: int | None = None  # None when not streamed
    thinking: str = ""  # what thinking_budget became at this provider

    @property
    def served_model(self) -> str:
        """As the provider names it; "" when it never answered."""
        return self.answer.served_model if self.answer else ""

    @property
    def usage(self) -> Usage | None:
        return self.answer.usage if self.answer else None


def utc_now() -> datetime:
    return datetime.now(UTC)


async def attempt(
    adapter: Adapter,
    candidate: Candidate,
    endpoint: Endpoint,
    request: Request,
    timeouts: Timeouts,
    clock: Callable[[], float] = time.perf_counter,
    now: Callable[[], datetime] = utc_now,
) -> Tried:
    """What one try of `candidate` brought. Raises only CancelledError.

    `timeouts.total_s` bounds the whole, whatever the adapter waits for. `clock` counts seconds from anywhere, never backwards.
    """
    started_at, begun = now(), clock()
    answer, fault = await _outcome(adapter, candidate, endpoint, request, timeouts)
    return Tried(
        started_at=started_at,
        total_ms=round((clock() - begun) * 1000),
        answer=answer,
        fault=fault,
        thinking=adapter.thinking_control(endpoint, request),
    )


async def _outcome(
    adapter: Adapter, candidate: Candidate, endpoint: Endpoint, request: Request, timeouts: Timeouts
) -> tuple[Answer | None, Fault | None]:
    limit = asyncio.timeout(timeouts.total_s)
    try:
        async with limit:
            return await adapter.complete(endpoint, request, timeouts), None
    except Failed as failed:
        return None, failed.fault
    except Exception as error:  # noqa: BLE001 - an adapter's own defect must not cost the caller the fallback
        if isinstance(error, TimeoutError) and limit.expired():
            return None, Fault(ErrorKind.TIMEOUT, f"{candidate.key} did not finish within {timeouts.total_s:g} s")
        # The text of an unforeseen error may quote the prompt: only its type is told.
        name = type(error).__name__
        logger.error("The adapter of %s raised %s; it may only raise Failed", candidate.key, name)
        return None, Fault(ErrorKind.MALFORMED, f"{candidate.key}: the answer could not be read ({name})")
