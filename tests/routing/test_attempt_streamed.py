"""One try of one candidate, streamed: what is handed on, what is held back, and how it is timed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import pytest

from routing.attempt import Progress, Tried, streamed
from routing.providers.base import Endpoint
from routing.terms.event import Event, Heard, StreamEnd, StreamStart, TextDelta, ThinkingDelta, ToolCallDelta, UsageTold
from routing.terms.fault import Failed, Fault
from routing.terms.request import Answer, Request, Timeouts, Usage
from routing.terms.words import ErrorKind
from tests.routing.test_attempt import CANDIDATE, ENDPOINT, NOON, REQUEST, ticking

START = StreamStart("gpt-codex-2026", "req_1", Usage(input_tokens=120))
ANSWER = Answer("Hello there.", "end_turn", "gpt-codex-2026", Usage(120, 3))
RATE_LIMITED = Fault(ErrorKind.RATE_LIMIT, "slow down", 429, retry_after_s=7)


class Streaming:
    """Yields what it is given; raises what is an exception; waits for ever at None."""

    def __init__(self, *acts: Heard | BaseException | None) -> None:
        self.acts, self.closed = acts, False

    async def stream(self, endpoint: Endpoint, request: Request, timeouts: Timeouts) -> AsyncIterator[Heard]:
        try:
            for act in self.acts:
                if act is None:
                    await asyncio.Event().wait()
                if isinstance(act, BaseException):
                    raise act
                assert act is not None
                yield act
        finally:
            self.closed = True

    def thinking_control(self, endpoint: Endpoint, request: Request) -> str:
        return "reasoning_effort low"


async def tried(
    *acts: Heard | BaseException | None, clock: Callable[[], float] | None = None, total_s: float = 60
) -> tuple[list[Event], Tried]:
    adapter = Streaming(*acts)
    told: list[Event | Tried] = []
    limits, progress = Timeouts(total_s=total_s), Progress()
    async for each in streamed(
        adapter,
        CANDIDATE,
        ENDPOINT,
        REQUEST,
        limits,
        progress,
        clock or ticking(0, *[0.5] * 20),
        lambda: NOON,  # type: ignore[arg-type]
    ):
        told.append(each)
    *events, last = told
    assert isinstance(last, Tried)
    assert adapter.closed
    return events, last  # type: ignore[return-value]


async def test_a_stream_is_handed_on_from_its_first_content_and_timed_by_one_clock():
    deltas = [ThinkingDelta("Hm."), TextDelta("Hello "), TextDelta("there.")]
    # begun at 10.0, first content at 10.2, the end at 10.7
    events, last = await tried(START, *deltas, StreamEnd(ANSWER), clock=ticking(10.0, 10.2, 10.7))

    assert events == [START, *deltas]
    assert (last.ttft_ms, last.total_ms, last.answer, last.fault) == (200, 700, ANSWER, None)
    assert (last.started_at, last.thinking, last.usage) == (NOON, "reasoning_effort low", ANSWER.usage)


@pytest.mark.parametrize(
    ("acts", "kind"),
    [
        ([Failed(RATE_LIMITED)], ErrorKind.RATE_LIMIT),
        ([START, Failed(RATE_LIMITED)], ErrorKind.RATE_LIMIT),
        ([START], ErrorKind.TRUNCATED),
        ([START, ValueError("the secret plan")], ErrorKind.MALFORMED),
    ],
    ids=["before anything", "after the start", "no end", "a defect of the adapter"],
)
async def test_a_fault_before_the_first_content_hands_on_nothing(acts, kind):
    events, last = await tried(*acts)

    assert events == []
    assert last.fault is not None
    assert (last.fault.kind, last.has_begun, last.usage) == (kind, False, None)
    assert "secret" not in last.fault.message


async def test_a_fault_after_it_tells_what_was_seen():
    # 40 characters are 10 tokens at four a token
    events, last = await tried(START, TextDelta("x" * 30), ToolCallDelta(0, "y" * 10, "id", "f"), Failed(RATE_LIMITED))

    assert len(events) == 3
    assert (last.fault, last.has_begun, last.answer) == (RATE_LIMITED, True, None)
    assert last.usage == Usage(input_tokens=120, output_tokens=10, estimated=True)
    assert last.served_model == "gpt-codex-2026"


async def test_what_a_provider_told_on_the_way_is_no_estimate():
    told = Usage(input_tokens=120, output_tokens=7, cache_read_tokens=100)
    events, last = await tried(START, TextDelta("x" * 30), UsageTold(told), Failed(RATE_LIMITED))

    assert events == [START, TextDelta("x" * 30)]  # for the row, not for the client
    assert last.usage == told


async def test_what_came_after_it_told_is_added_as_an_estimate():
    told = Usage(input_tokens=120, output_tokens=7)
    _, last = await tried(START, TextDelta("x" * 30), UsageTold(told), TextDelta("y" * 20), Failed(RATE_LIMITED))

    assert last.usage == Usage(
        input_tokens=120, output_tokens=12, estimated=True
    )  # 7, and 20 characters at four a token


async def test_the_total_bounds_a_stream_that_hangs():
    _, last = await tried(START, TextDelta("Hel"), None, total_s=0.05)

    assert last.fault == Fault(ErrorKind.TIMEOUT, "openai:codex did not finish within 0.05 s")


async def test_an_answer_without_a_word_is_an_answer():
    events, last = await tried(START, StreamEnd(ANSWER))

    assert (events, last.answer, last.ttft_ms) == ([START], ANSWER, None)


async def test_who_leaves_ends_the_providers_work():
    adapter = Streaming(START, TextDelta("Hel"), None)
    async with aclosing(streamed(adapter, CANDIDATE, ENDPOINT, REQUEST, Timeouts(), Progress())) as events:  # type: ignore[arg-type,type-var]
        await anext(events)
    assert adapter.closed
