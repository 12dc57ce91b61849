"""One try of one candidate: an answer or a fault, timed by the given clock."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from routing.attempt import attempt
from routing.providers.base import Discovered, Endpoint
from routing.providers.registry import adapter_for, close_all
from routing.terms.candidate import Candidate
from routing.terms.fault import Failed, Fault
from routing.terms.request import Answer, Message, Request, Timeouts, Usage
from routing.terms.words import CredentialKind, ErrorKind, ProviderKind, Role
from tests import doubles
from tests.doubles import script

CANDIDATE = Candidate(
    "openai", "codex", "gpt-codex", ProviderKind.OPENAI, "main", CredentialKind.API_KEY, Role.PRIMARY, "route"
)
ENDPOINT = Endpoint(ProviderKind.OPENAI, "openai", "gpt-codex")
REQUEST = Request([Message("user", "the secret plan")], thinking_budget=2048)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Adapter:
    """Does in `complete` what it is told to."""

    def __init__(self, act: Callable[[], Answer] | None = None) -> None:
        self.act = act

    async def complete(self, endpoint: Endpoint, request: Request, timeouts: Timeouts) -> Answer:
        if self.act is None:
            await asyncio.Event().wait()  # hangs for ever
        return self.act()

    def thinking_control(self, endpoint: Endpoint, request: Request) -> str:
        return "reasoning_effort low"

    async def models(self, endpoint: Endpoint, timeouts: Timeouts) -> tuple[Discovered, ...]:
        return ()

    async def ping(self, endpoint: Endpoint, timeouts: Timeouts) -> None: ...


def ticking(*seconds: float) -> Callable[[], float]:
    ticks: Iterator[float] = iter(seconds)
    return lambda: next(ticks)


def raising(error: BaseException) -> Callable[[], Answer]:
    def act() -> Answer:
        raise error

    return act


async def test_an_answer_is_timed_by_the_given_clock():
    answer = Answer("done", "end_turn", "gpt-codex-2026", Usage(10, 5))

    tried = await attempt(
        Adapter(lambda: answer), CANDIDATE, ENDPOINT, REQUEST, Timeouts(), ticking(100.0, 101.2345), lambda: NOON
    )

    assert (tried.answer, tried.fault, tried.total_ms, tried.ttft_ms) == (answer, None, 1234, None)
    assert (tried.served_model, tried.usage, tried.started_at) == ("gpt-codex-2026", Usage(10, 5), NOON)
    assert tried.thinking == "reasoning_effort low"


async def test_a_fault_comes_back_as_a_value():
    fault = Fault(ErrorKind.RATE_LIMIT, "slow down", 429, retry_after_s=7)

    tried = await attempt(Adapter(raising(Failed(fault))), CANDIDATE, ENDPOINT, REQUEST, Timeouts(), ticking(0, 0.05))

    assert (tried.answer, tried.fault, tried.total_ms, tried.served_model) == (None, fault, 50, "")


async def test_an_adapter_that_hangs_is_a_timeout_after_the_total():
    tried = await attempt(Adapter(), CANDIDATE, ENDPOINT, REQUEST, Timeouts(total_s=0.01))

    assert tried.fault == Fault(ErrorKind.TIMEOUT, "openai:codex did not finish within 0.01 s")


@pytest.mark.parametrize(
    "error", [KeyError("the secret plan"), TimeoutError("the secret plan"), RecursionError()], ids=repr
)
async def test_an_adapters_own_defect_becomes_a_fault_that_quotes_nothing(error, caplog):
    tried = await attempt(Adapter(raising(error)), CANDIDATE, ENDPOINT, REQUEST, Timeouts())

    assert tried.fault is not None
    assert tried.fault.kind is ErrorKind.MALFORMED
    assert type(error).__name__ in tried.fault.message
    assert "secret plan" not in tried.fault.message + caplog.text


async def test_over_a_real_wire_the_time_is_what_the_provider_took():
    async with doubles.provider(script.answer(delay_s=0.12)) as double:
        endpoint, begun = replace(ENDPOINT, base_url=double.openai), time.perf_counter()
        tried = await attempt(adapter_for(endpoint.kind), CANDIDATE, endpoint, REQUEST, Timeouts())
        took_ms = (time.perf_counter() - begun) * 1000
        await close_all()

    assert tried.served_model == "gpt-codex-served"
    assert tried.thinking == "none: not a reasoning model"
    assert 120 <= tried.total_ms <= took_ms + 1


async def test_over_a_real_wire_the_total_bounds_every_wait():
    async with doubles.provider(script.stalls(before_headers=True)) as double:
        endpoint = replace(ENDPOINT, base_url=double.openai)
        tried = await attempt(adapter_for(endpoint.kind), CANDIDATE, endpoint, REQUEST, Timeouts(total_s=0.1))
        await double.until(lambda: double.cancelled == 1)
        await close_all()

    assert tried.fault is not None
    assert tried.fault.kind is ErrorKind.TIMEOUT


async def test_a_cancel_goes_through():
    task = asyncio.create_task(attempt(Adapter(), CANDIDATE, ENDPOINT, REQUEST, Timeouts()))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
