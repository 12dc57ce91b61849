"""The attempt loop: one candidate after the other until one answers, whole or as it is written."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime

from routing import circuits
from routing.attempt import Progress, Tried, attempt, streamed
from routing.budgets import Unpaid
from routing.clients import Caller
from routing.dispatch.bulkheads import Busy, bulkhead
from routing.dispatch.call import NO_FACTS, Call, Facts, Over, Told
from routing.dispatch.limits import let_in
from routing.dispatch.outcome import Result, at_its_deadline, broken
from routing.dispatch.paying import Writes
from routing.providers.registry import lane_for
from routing.terms.candidate import Candidate
from routing.terms.event import Event, Relayed, StreamEnd, StreamStart
from routing.terms.fault import Fault
from routing.terms.request import Ask, Request
from routing.terms.words import ErrorKind, Status
from routing.wire.base import Unreadable

GONE = Fault(ErrorKind.CANCELLED, "the client went away")


async def dispatch(ask: Ask, request: Request, caller: Caller, facts: Facts = NO_FACTS, over: Over = None) -> Result:
    """The answer of the first candidate that gives one. Raises Refused, and CancelledError when the client went away.

    `resolve.Unknown` and `resolve.Ambiguous` come up for an override that names no one model, Unreadable for a body over a wire that
    the first candidate must be told and that cannot be read.
    """
    call = Call(ask, request, caller, facts, streams=False)
    call.ledger.held = await let_in(caller, ask, writes=over is None)
    with call.written():
        for candidate in call.turns():
            try:
                tried = await _whole(call, candidate, over)
            except (Busy, Unreadable, Unpaid) as error:
                call.leave_out(candidate, error)
                continue
            if tried.fault is None:
                return await call.result(candidate, tried, is_alone=over is not None)
            if not call.goes_on(candidate, tried.fault):
                break
        raise call.unanswered()


async def stream(ask: Ask, request: Request, caller: Caller, facts: Facts = NO_FACTS) -> AsyncIterator[Told]:
    """The same as it is written: Begun with the first content, deltas, and last the Result.

    Until Begun another candidate takes over unseen; after it a fault is the end, raised as Refused. Who closes the iterator early
    has gone away: the provider's work ends, and the call is `cancelled`.
    """
    call = Call(ask, request, caller, facts, streams=True)
    call.ledger.held = await let_in(caller, ask)
    with call.written():
        for candidate in call.turns():
            tried: Tried | None = None
            try:
                async with aclosing(_streamed(call, candidate)) as events:  # type: ignore[type-var]  # a generator
                    async for event in events:
                        if isinstance(event, Tried):
                            tried = event
                        elif isinstance(event, StreamStart):
                            yield call.begins(candidate, event)
                        elif not isinstance(event, StreamEnd):  # `streamed` keeps it
                            if call.asks_twice and isinstance(event, Relayed):
                                call.passed.append(event.data)
                            yield event
            except (Busy, Unreadable, Unpaid) as error:
                call.leave_out(candidate, error)
                continue
            if tried is None:
                raise RuntimeError(f"The try of {candidate.key} ended without a word")
            if tried.fault is None:
                yield await call.result(candidate, tried)
                return
            if tried.has_begun:
                raise call.refused(broken(tried.fault, candidate.key), Status.PARTIAL)
            if not call.goes_on(candidate, tried.fault):
                break
        raise call.unanswered()


async def _whole(call: Call, candidate: Candidate, over: Over) -> Tried:
    """One attempt, in its provider's bulkhead, bounded by what is left, written down. Raises Busy, Unreadable and Unpaid."""
    endpoint = call.endpoint(candidate)
    if endpoint is None:
        return call.ledger.note(candidate, _lost(candidate))
    if call.known.payers:
        await _pay(call, candidate)
    lane = over(candidate.kind) if over else lane_for(candidate.kind, call.request.raw)
    started_at, begun = datetime.now(UTC), time.perf_counter()
    try:
        async with bulkhead(candidate.provider, call.known.capacity):
            tried = await attempt(lane, candidate, endpoint, call.request, call.limits())
    except asyncio.CancelledError:
        call.ledger.note(candidate, Tried(started_at, _ms_since(begun), fault=GONE))
        raise
    return call.ledger.note(candidate, at_its_deadline(tried, call.deadline))


async def _streamed(call: Call, candidate: Candidate) -> AsyncIterator[Event | Tried]:
    """The same with its events, its Tried last."""
    endpoint = call.endpoint(candidate)
    if endpoint is None:
        yield call.ledger.note(candidate, _lost(candidate))
        return
    if call.known.payers:
        await _pay(call, candidate)
    lane = lane_for(candidate.kind, call.request.raw)
    started_at, begun, progress = datetime.now(UTC), time.perf_counter(), Progress()
    tried: Tried | None = None
    try:
        async with bulkhead(candidate.provider, call.known.capacity):
            events = streamed(lane, candidate, endpoint, call.request, call.limits(), progress)
            async with aclosing(events) as told:  # type: ignore[type-var]  # a generator
                async for event in told:
                    if isinstance(event, Tried):
                        tried = event
                    else:
                        yield event
    except (asyncio.CancelledError, GeneratorExit):
        gone = Tried(
            started_at,
            _ms_since(begun),
            fault=GONE,
            ttft_ms=progress.ttft_ms,
            start=progress.start,
            seen=progress.usage(),
        )
        call.ledger.note(candidate, gone)
        raise
    if tried is not None:
        yield call.ledger.note(candidate, at_its_deadline(tried, call.deadline))


async def _pay(call: Call, candidate: Candidate) -> None:
    """Have budgets hold what the attempt may cost. Raises Unpaid."""
    try:
        writes = Writes(call.ask.max_tokens, call.request.answers)
        await call.ledger.pay(candidate, writes, call.lineup.degraded)
    except asyncio.CancelledError:
        circuits.give_back(candidate)  # nobody was asked, and there is no attempt to say so
        raise


def _lost(candidate: Candidate) -> Tried:
    fault = Fault(ErrorKind.CONFIG, f"{candidate.key}: the credential is not there any more")
    return Tried(datetime.now(UTC), 0, fault=fault)


def _ms_since(begun: float) -> int:
    return round((time.perf_counter() - begun) * 1000)
