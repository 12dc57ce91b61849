"""What llmock, a provider double by others that grades its client, says of whole calls: every fault that it can make, on both lanes.

The faults are read from llmock's own code, so that one more of them is one more test.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import get_args

import pytest
from llmock.pytest_plugin import LLMock
from llmock.scenarios import (
    Behavior,
    Delay,
    Fail,
    Reply,
    SlowFirstToken,
    StreamFault,
    StreamFaultKind,
    ToolCall,
    ToolFault,
    ToolFaultKind,
)
from llmock.simulation import SUPPORTED_ERROR_STATUS_CODES
from llmock.verdict import NON_RETRYABLE, RETRYABLE

from routing import circuits, snapshot
from routing.audit import SYSTEM
from routing.dispatch import Refused, Result
from routing.terms.request import Request, Tool
from routing.terms.words import ProviderKind
from tests.doubles.verdict import assert_clean
from tests.routing.two_providers import ANTHROPIC, REQUEST, ROOMY, SHORT, WAYS, World, publish, raw

pytestmark = pytest.mark.django_db
# What each lane does with one fault, the ordinary suite sees in tests/routing/providers and in test_fallback_*.
soak = pytest.mark.soak
TEXT = " ".join(["It is sunny and warm in Paris today, and it will stay so for the rest of the week."] * 4)
LONG_S = 1.5  # longer than SHORT waits, long enough for llmock to blame who sits through it
ENDS = {
    # Whether another candidate may serve it: capabilities, section 2. What stands in neither is a 4xx or 5xx of no name.
    "moves on": {401, 402, 403, *RETRYABLE},
    "passes": {400, 404, 413, 415, 422},
}
SPACE = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOLS = {
    "anthropic": [{"name": "weather", "description": "The weather.", "input_schema": SPACE}],
    "openai_chat": [{"type": "function", "function": {"name": "weather", "parameters": SPACE}}],
    "openai_responses": [{"type": "function", "name": "weather", "parameters": SPACE}],
}


class Mocked:
    """A world whose providers are both llmock: of the way's two kinds, or `alike`, so that the second's request is the first's over again."""

    def __init__(self, llmock: LLMock, way: tuple[ProviderKind, ProviderKind, str], stream: bool) -> None:
        self.mock, self.kinds, self.stream = llmock, way[:2], stream
        self.world = World(None, None, way[2])  # type: ignore[arg-type]

    @property
    def provider(self) -> str:
        return "anthropic" if self.kinds[0] is ANTHROPIC else "openai"

    def route(self, *, alike: bool = False, timeouts: dict[str, float] = ROOMY) -> None:
        kinds = (self.kinds[0], self.kinds[0]) if alike else self.kinds
        publish([(kind, self._url(kind)) for kind in kinds], timeouts=timeouts)

    def forget(self) -> None:
        """As if no fault had been met yet."""
        circuits.reset(by=SYSTEM)
        snapshot.forget()
        self.mock.reset()

    def ask(self, request: Request = REQUEST) -> Result | Refused:
        if not self.stream:
            return self.world.dispatch(request)
        return self.world.stream(request)[1]

    def ask_with_tools(self) -> Result | Refused:
        wire = self.world.wire
        asked = replace(REQUEST, tools=[Tool("weather", "The weather.", SPACE)], max_tokens=50)
        return self.ask(replace(asked, raw=raw(wire, stream=self.stream, tools=TOOLS[wire])) if wire else asked)

    def _url(self, kind: ProviderKind) -> str:
        return self.mock.base_url("anthropic") if kind is ANTHROPIC else self.mock.url


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def way(request: pytest.FixtureRequest) -> tuple[ProviderKind, ProviderKind, str]:
    return request.param


@pytest.fixture
def streamed(llmock: LLMock, way: tuple[ProviderKind, ProviderKind, str]) -> Mocked:
    return Mocked(llmock, way, stream=True)


@pytest.fixture(params=[False, True], ids=["whole", "stream"])
def either(request: pytest.FixtureRequest, llmock: LLMock, way: tuple[ProviderKind, ProviderKind, str]) -> Mocked:
    return Mocked(llmock, way, stream=request.param)


def of_status(mocked: Mocked, statuses: Sequence[int], *, retry_after: float | None = None) -> None:
    """Meet each of these statuses once."""
    mocked.route()
    for status in statuses:
        mocked.forget()
        mocked.mock.fail(status, retry_after=retry_after, provider=mocked.provider)
        ended = mocked.ask()
        if status in ENDS["passes"]:
            assert isinstance(ended, Refused), status
        elif status in ENDS["moves on"]:
            assert isinstance(ended, Result), status
            assert ended.used_fallback, status
        assert [record.provider for record in mocked.mock.requests].count(mocked.provider) == 1, status
        assert_clean(mocked.mock)


@soak
def test_a_status_is_met_once(either: Mocked) -> None:
    of_status(either, sorted({402, 413, 415} | NON_RETRYABLE | RETRYABLE))


@soak
def test_any_status_that_it_knows_is_met_once(either: Mocked) -> None:
    of_status(either, SUPPORTED_ERROR_STATUS_CODES)


@soak
def test_a_retry_after_is_not_beaten(either: Mocked) -> None:
    of_status(either, [429, 503, 529], retry_after=30)
    assert isinstance(either.ask(), Result)
    assert [record.provider for record in either.mock.requests].count(either.provider) == 1
    assert_clean(either.mock)


@pytest.mark.parametrize(
    "fault",
    [pytest.param(fault, marks=soak if fault in ("stall", "malformed") else ()) for fault in get_args(StreamFaultKind)],
)
def test_a_broken_stream_is_made_good_before_its_first_content_and_told_after_it(streamed: Mocked, fault: str) -> None:
    streamed.route(alike=True, timeouts=SHORT if fault == "stall" else ROOMY)
    has_told, positions = 0, (0, 2, 6)
    for after in positions:
        streamed.forget()
        streamed.mock.pace(30 if fault == "malformed" else 0)  # else all is written before anybody can stop reading
        streamed.mock.reply(TEXT, times=None)
        streamed.mock.add(StreamFault(fault, after_chunks=after, stall_seconds=LONG_S))  # type: ignore[arg-type]
        ended = streamed.ask()
        if isinstance(ended, Refused):  # content was handed on: the caller is told that it broke, and asks again
            assert ended.code == "stream_broken"
            has_told += 1
            ended = streamed.ask()
        assert isinstance(ended, Result), after
        assert (ended.answer.output or TEXT, ended.answer.stop_reason) == (
            TEXT,
            "end_turn",
        )  # a relayed text is not kept
        assert len(streamed.mock.requests) == 2, after
        if fault == "malformed":
            assert_left(streamed.mock)
        else:
            streamed.mock.assert_resilient(strict=True)
    assert 0 < has_told < len(positions)


def assert_left(llmock: LLMock) -> None:
    """The first stream was not read to its end, the second was.

    llmock finds the same, but only where it has noticed the end of the first before the second came, which no client can wait for.
    """
    first, second = sorted(llmock.requests, key=lambda record: record.seq)
    assert (first.fault is None, first.completed) == (False, False)
    assert (second.fault is None, second.completed) == (True, True)
    verdict = llmock.verdict()
    verdict.assert_ok()
    assert {finding.code for finding in verdict.warnings} <= {"malformed_chunk_ignored"}, verdict.render()


@soak
@pytest.mark.parametrize("late", [Delay, SlowFirstToken], ids=lambda late: late.__name__)
def test_what_does_not_come_is_given_up(either: Mocked, late: Callable[..., Behavior]) -> None:
    if late is SlowFirstToken and not either.stream:
        return  # llmock holds back only streams that way
    either.route(timeouts=SHORT)
    either.mock.add(late(LONG_S))
    ended = either.ask()

    assert isinstance(ended, Result)
    assert ended.used_fallback
    assert_clean(either.mock)


@soak
@pytest.mark.parametrize("fault", get_args(ToolFaultKind))
def test_a_broken_tool_call_is_never_taken_for_a_sound_one(either: Mocked, fault: str) -> None:
    either.route(alike=True)
    either.mock.add(Reply(tool_calls=(ToolCall("weather", {"city": "Paris"}),), times=None), ToolFault(fault))  # type: ignore[arg-type]
    ended = either.ask_with_tools()

    assert isinstance(ended, Result | Refused)
    if isinstance(ended, Result):
        assert ended.answer.stop_reason == "tool_use"
    either.mock.assert_resilient(strict=True)


@soak
def test_a_quota_that_is_used_up_is_left_alone(either: Mocked) -> None:
    either.route()
    either.mock.limits(rpm=2)
    ended = [either.ask() for _ in range(4)]

    assert all(isinstance(each, Result) for each in ended)
    assert [record.provider for record in either.mock.requests].count(either.provider) == 3
    assert_clean(either.mock)


@soak
def test_a_window_that_is_too_small_is_asked_once(either: Mocked) -> None:
    either.route()
    either.mock.context_overflow(times=None)
    assert isinstance(either.ask(), Refused)
    assert len(either.mock.requests) == 2  # the second has a larger window, or so its row says
    assert_clean(either.mock)


def test_no_fault_of_llmock_is_left_out() -> None:
    assert set(get_args(Behavior)) == {Delay, Fail, Reply, SlowFirstToken, StreamFault, ToolFault}
    faults = {"fail", "rate_limit", "outage", "context_overflow", "delay", "disconnect", "truncate", "corrupt", "stall"}
    faults |= {"slow_first_token", "break_tool_call", "limits"}
    says = {"reply", "call_tool", "tool_mode", "pace", "add", "requests", "last_request", "verdict", "reset"}
    says |= {"assert_resilient", "url", "base_url", "env"}
    assert {name for name in vars(LLMock) if not name.startswith("_")} == faults | says
