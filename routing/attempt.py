"""One try of one candidate, timed by one clock. Everything that may go wrong comes back as a value."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from logging import getLogger

from routing.providers.base import Endpoint, Lane, Whole
from routing.terms.candidate import Candidate
from routing.terms.event import (
    Event,
    Relayed,
    StreamEnd,
    StreamStart,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    UsageTold,
)
from routing.terms.fault import Failed, Fault
from routing.terms.quick import quick
from routing.terms.request import Answer, Request, Timeouts, Usage
from routing.terms.words import ErrorKind

logger = getLogger(__name__)
CHARS_A_TOKEN = 4  # of an answer that broke off before its provider counted it


@quick
@dataclass(frozen=True, slots=True)
class Tried:
    """Either an answer or a fault."""

    started_at: datetime
    total_ms: int
    answer: Answer | None = None
    fault: Fault | None = None
    ttft_ms: int | None = None  # None when not streamed, or nothing came
    thinking: str = ""  # what thinking_budget became at this provider
    start: StreamStart | None = None  # what a stream told before its first content
    seen: Usage | None = None  # of a stream that broke after its first content: what was told, else estimated

    @property
    def has_begun(self) -> bool:
        """Whether content has been handed on: then no other candidate may serve the call."""
        return self.ttft_ms is not None

    @property
    def served_model(self) -> str:
        """As the provider names it; "" when it never answered."""
        if self.answer:
            return self.answer.served_model
        return self.start.served_model if self.start else ""

    @property
    def usage(self) -> Usage | None:
        return self.answer.usage if self.answer else self.seen


def utc_now() -> datetime:
    return datetime.now(UTC)


async def attempt(
    adapter: Whole,
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
    answer: Answer | None = None
    fault: Fault | None = None
    limit = asyncio.timeout(timeouts.total_s)
    try:
        async with limit:
            answer = await adapter.complete(endpoint, request, timeouts)
    except Exception as error:  # noqa: BLE001 - an adapter's own defect must not cost the caller the fallback
        fault = _fault_of(error, candidate, timeouts, limit)
    return Tried(
        started_at=started_at,
        total_ms=_ms(clock() - begun),
        answer=answer,
        fault=fault,
        thinking=adapter.thinking_control(endpoint, request),
    )


@dataclass(slots=True)
class Progress:
    """What a stream has brought so far. Who ends it early reads here what it came to."""

    start: StreamStart | None = None
    ttft_ms: int | None = None
    written: int = 0  # characters
    told: Usage | None = None  # in the middle of the stream
    told_at: int = 0  # what was written then

    def usage(self) -> Usage | None:
        """What the provider told, and an estimate of what it wrote since; None before the first content."""
        if self.ttft_ms is None:
            return None
        if self.told is not None:
            since = self.written - self.told_at
            output = self.told.output_tokens + since // CHARS_A_TOKEN
            return replace(self.told, output_tokens=output, estimated=since > 0)
        told = (self.start.usage if self.start else None) or Usage()
        return replace(told, output_tokens=max(1, self.written // CHARS_A_TOKEN), estimated=True)


async def streamed(
    adapter: Lane,
    candidate: Candidate,
    endpoint: Endpoint,
    request: Request,
    timeouts: Timeouts,
    progress: Progress,
    clock: Callable[[], float] = time.perf_counter,
    now: Callable[[], datetime] = utc_now,
) -> AsyncIterator[Event | Tried]:
    """The events of one try from its first content on, StreamEnd left out; and last what the try brought.

    Of a try that fails before its first content only the Tried is yielded: until then another candidate may take its place unseen.
    Closing the iterator ends the provider's work. Raises as `attempt` does.
    """
    started_at, begun = now(), clock()
    until = asyncio.get_running_loop().time() + timeouts.total_s
    answer: Answer | None = None
    fault: Fault | None = None
    limit = asyncio.timeout_at(until)
    try:
        async with aclosing(adapter.stream(endpoint, request, timeouts)) as events:  # type: ignore[type-var]  # all are generators
            while answer is None:
                limit = asyncio.timeout_at(until)
                async with limit:
                    event = await anext(events)
                if isinstance(event, StreamStart):
                    progress.start = event
                elif isinstance(event, UsageTold):
                    progress.told, progress.told_at = event.usage, progress.written
                elif isinstance(event, StreamEnd):
                    answer = event.answer
                else:
                    if progress.ttft_ms is None:
                        progress.ttft_ms = _ms(clock() - begun)
                        yield progress.start or StreamStart("")
                    progress.written += _length(event)
                    yield event
    except StopAsyncIteration:
        fault = Fault(ErrorKind.TRUNCATED, f"{candidate.key}: the stream ended too early")
    except Exception as error:  # noqa: BLE001 - as above
        fault = _fault_of(error, candidate, timeouts, limit)
    if answer is not None and progress.ttft_ms is None:  # an answer without a word is one all the same
        yield progress.start or StreamStart(answer.served_model)
    yield Tried(
        started_at=started_at,
        total_ms=_ms(clock() - begun),
        answer=answer,
        fault=fault,
        ttft_ms=progress.ttft_ms,
        thinking=adapter.thinking_control(endpoint, request),
        start=progress.start,
        seen=progress.usage() if fault is not None else None,
    )


def _length(delta: TextDelta | ThinkingDelta | ToolCallDelta | Relayed) -> int:
    if isinstance(delta, Relayed):
        return delta.written
    return len(delta.arguments if isinstance(delta, ToolCallDelta) else delta.text)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _fault_of(error: Exception, candidate: Candidate, timeouts: Timeouts, limit: asyncio.Timeout) -> Fault:
    if isinstance(error, Failed):
        return error.fault
    if isinstance(error, TimeoutError) and limit.expired():
        return Fault(ErrorKind.TIMEOUT, f"{candidate.key} did not finish within {timeouts.total_s:g} s")
    # The text of an unforeseen error may quote the prompt: only its type is told.
    name = type(error).__name__
    logger.error("The adapter of %s raised %s; it may only raise Failed", candidate.key, name)
    return Fault(ErrorKind.MALFORMED, f"{candidate.key}: the answer could not be read ({name})")
