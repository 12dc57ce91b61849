"""The attempt loop of one call."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeAlias

from routing import circuits, recorder, snapshot
from routing.attempt import Progress, Tried, attempt, streamed
from routing.clients import Caller
from routing.dispatch import records, refusals
from routing.dispatch.bulkheads import Busy, bulkhead
from routing.dispatch.ledger import Ledger
from routing.dispatch.lineup import Lineup
from routing.dispatch.opinion import opinion
from routing.dispatch.outcome import Begun, Ending, Refused, Result, at_its_deadline, broken, ending_of
from routing.policy.draw import drawn, uniform
from routing.policy.plan import route_of
from routing.providers.base import Whole
from routing.providers.registry import is_relayed, lane_for
from routing.snapshot import Snapshot
from routing.terms.candidate import Candidate
from routing.terms.event import Event, Relayed, StreamEnd, StreamStart, TextDelta, ThinkingDelta, ToolCallDelta
from routing.terms.fault import Fault
from routing.terms.ids import item_of, uuid7
from routing.terms.record import Intent
from routing.terms.request import Ask, Request, Timeouts
from routing.terms.words import ErrorKind, ProviderKind, Role, SkipReason, Status
from routing.wire.base import Unreadable

Told: TypeAlias = Begun | TextDelta | ThinkingDelta | ToolCallDelta | Relayed | Result
Over: TypeAlias = Callable[[ProviderKind], Whole] | None  # what an attempt goes over, where it is not for words


@dataclass(frozen=True, slots=True)
class Facts:
    """What a caller says beside the ask and the request."""

    session: str = ""
    metadata: Mapping[str, str] | None = None
    timeout_s: float | None = None  # the caller's own; the route's total holds anyway
    requested_model: str = ""
    wire: str = "native"
    second_opinion: bool = False
    would_route: str = ""  # "provider:model" to which routing would have sent an observed call


async def dispatch(ask: Ask, request: Request, caller: Caller, facts: Facts = Facts(), over: Over = None) -> Result:
    """The answer of the first candidate that gives one. Raises Refused, and CancelledError when the client went away.

    `resolve.Unknown` and `resolve.Ambiguous` come up for an override that names no one model.
    """
    call = _call(ask, request, caller, facts, streams=False)
    call.over = over
    async with aclosing(call.run()) as told:  # type: ignore[type-var]  # a generator
        async for each in told:
            if isinstance(each, Result):
                return each
    raise RuntimeError("A call ended without a word")


async def stream(ask: Ask, request: Request, caller: Caller, facts: Facts = Facts()) -> AsyncIterator[Told]:
    """The same as it is written: Begun with the first content, deltas, and last the Result.

    Until Begun another candidate takes over unseen; after it a fault is the end, raised as Refused. Who closes the iterator early
    has gone away: the provider's work ends, and the call is `cancelled`.
    """
    async with aclosing(_call(ask, request, caller, facts, streams=True).run()) as told:  # type: ignore[type-var]  # a generator
        async for each in told:
            yield each


def _call(ask: Ask, request: Request, caller: Caller, facts: Facts, *, streams: bool) -> "_Call":
    try:
        known = snapshot.current()
    except snapshot.NotLoaded as error:
        raise Refused(503, "not_ready", str(error), retryable=True, retry_after_s=1) from None
    return _Call(known, ask, request, caller, facts, streams=streams)


class _Call:
    def __init__(
        self, known: Snapshot, ask: Ask, request: Request, caller: Caller, facts: Facts, *, streams: bool
    ) -> None:
        self.known, self.ask, self.request, self.caller, self.facts = known, ask, request, caller, facts
        self.streams = streams
        self.over: Over = None
        self.started_at, self.begun = datetime.now(UTC), time.perf_counter()
        self.id = uuid7(self.started_at)
        self.plan = known.plan(ask, self.started_at)
        self.route, _ = route_of(known.table, ask)
        self.timeouts = self.route.timeouts if self.route else Timeouts()
        total_s = min(self.timeouts.total_s, facts.timeout_s or self.timeouts.total_s)
        self.deadline = self.begun + total_s
        self.item = item_of(ask.task_type, caller.client, facts.session or str(self.id))
        self.u = uniform(self.item, known.draw_key)
        self.candidates, self.propensity = drawn(self.plan, self.u)
        self.ledger = Ledger(known, self.plan, self._intent(facts))
        self.lineup = Lineup(known.table, self.candidates, ask.size)

    async def run(self) -> AsyncIterator[Told]:
        """What the caller is told, the Result last. Raises Unreadable where the first candidate must be told what cannot be read."""
        if self.candidates and not is_relayed(self.candidates[0].kind, self.request.raw):
            self.request = self.request.whole()
        try:
            self.ledger.start()
        except recorder.Full as error:
            raise Refused(
                503, "recording_unavailable", f"The call cannot be recorded: {error}", retryable=True, retry_after_s=5
            ) from None
        try:
            async with aclosing(self._served()) as told:  # type: ignore[type-var]  # a generator
                async for each in told:
                    yield each
        except (asyncio.CancelledError, GeneratorExit):
            self.ledger.finish(Status.CANCELLED, "cancelled", "the client went away")
            raise
        except Refused:
            raise
        except BaseException:
            self.ledger.finish(Status.ERROR, "internal", "an error of Cortex itself")
            raise

    async def _served(self) -> AsyncIterator[Told]:
        spent = refusals.budget(self.known.health.spent, self.ask, self.caller)
        if spent is not None:
            raise self._refused(spent, Status.BLOCKED)
        self._want_probes()
        last: tuple[Candidate, Fault] | None = None
        for candidate in self.lineup:
            if last is not None:
                self.ledger.fall_back(candidate)
            tried: Tried | None = None
            try:
                async with aclosing(self._try(candidate)) as events:  # type: ignore[type-var]  # a generator
                    async for event in events:
                        if isinstance(event, Tried):
                            tried = event
                        elif isinstance(event, StreamStart):
                            yield self._begun(candidate, event)
                        elif not isinstance(event, StreamEnd):  # `streamed` keeps it
                            yield event
            except Busy:
                self.lineup.is_full(candidate)
                continue
            except Unreadable as error:
                self.lineup.cannot_be_told(candidate, str(error))
                continue
            if tried is None:
                raise RuntimeError(f"The try of {candidate.key} ended without a word")
            if tried.fault is None:
                yield await self._result(candidate, tried)
                return
            if tried.has_begun:
                raise self._refused(broken(tried.fault, candidate.key), Status.PARTIAL)
            last = candidate, tried.fault
            if not self.lineup.taught(candidate, tried.fault):
                break
        raise self._unanswered(last)

    async def _try(self, candidate: Candidate) -> AsyncIterator[Event | Tried]:
        """One attempt, its Tried last: in its provider's bulkhead, bounded by what is left, written down. Raises Busy and Unreadable."""
        endpoint = self.known.endpoint(candidate)
        if endpoint is None:
            fault = Fault(ErrorKind.CONFIG, f"{candidate.key}: the credential is not there any more")
            yield self.ledger.note(candidate, Tried(datetime.now(UTC), 0, fault=fault))
            return
        if not is_relayed(candidate.kind, self.request.raw):
            self.request = self.request.whole()
        capacity = self.known.capacity.get(candidate.provider, 64)
        started_at, begun, progress = datetime.now(UTC), time.perf_counter(), Progress()
        tried: Tried | None = None
        try:
            async with bulkhead(candidate.provider, capacity).place():
                left_s = max(self.deadline - time.perf_counter(), 0.0)
                limits = replace(self.timeouts, total_s=left_s)
                adapter = lane_for(candidate.kind, self.request.raw)
                if not self.streams:
                    whole = self.over(candidate.kind) if self.over else adapter
                    tried = await attempt(whole, candidate, endpoint, self.request, limits)
                else:
                    events = streamed(adapter, candidate, endpoint, self.request, limits, progress)
                    async with aclosing(events) as told:  # type: ignore[type-var]  # a generator
                        async for event in told:
                            if isinstance(event, Tried):
                                tried = event
                            else:
                                yield event
        except (asyncio.CancelledError, GeneratorExit):
            gone = Tried(
                started_at,
                round((time.perf_counter() - begun) * 1000),
                fault=Fault(ErrorKind.CANCELLED, "the client went away"),
                ttft_ms=progress.ttft_ms,
                start=progress.start,
                seen=progress.usage(),
            )
            self.ledger.note(candidate, gone)
            raise
        if tried is not None:
            yield self.ledger.note(candidate, at_its_deadline(tried, self.deadline))

    def _begun(self, candidate: Candidate, start: StreamStart) -> Begun:
        return Begun(
            request_id=self.id,
            task_type=self.ask.task_type,
            provider=candidate.provider,
            model=candidate.model,
            served_model=start.served_model,
            attempts=len(self.ledger.attempts) + 1,
            used_fallback=candidate.role is Role.FALLBACK,
            reason=self._reason(candidate),
            revision=self.plan.revision,
            simulated=candidate.kind is ProviderKind.SIMULATED,
            usage=start.usage,
            passed=start.passed,
        )

    async def _result(self, candidate: Candidate, tried: Tried) -> Result:
        served, answer = self.ledger.attempts[-1], tried.answer
        if answer is None:  # neither answer nor fault: an adapter broke its promise
            raise RuntimeError(f"The adapter of {candidate.key} brought nothing")
        second = None
        if self.over is None and (self.facts.second_opinion or (self.route is not None and self.route.second_opinion)):
            facts = self.known, self.plan, self.ask, self.request, self.ledger, candidate
            second = await opinion(*facts, timeouts=self.timeouts, deadline=self.deadline)
        reason, used_fallback = self._reason(candidate), served.role is Role.FALLBACK
        self.ledger.finish(Status.OK, "", reason, used_fallback=used_fallback)
        return Result(
            request_id=self.id,
            task_type=self.ask.task_type,
            provider=candidate.provider,
            model=candidate.model,
            answer=answer,
            attempts=tuple(self.ledger.attempts),
            cost_usd=records.total(self.ledger.attempts),
            ttft_ms=tried.ttft_ms,
            total_ms=round((time.perf_counter() - self.begun) * 1000),
            used_fallback=used_fallback,
            reason=reason,
            revision=self.plan.revision,
            simulated=candidate.kind is ProviderKind.SIMULATED,
            second_opinion=second,
        )

    def _reason(self, served: Candidate) -> str:
        """Why this model serves: the plan's reason, and what failed before."""
        first = self.candidates[0]
        reason = self.plan.reason if first.role is not Role.EXPLORE else first.reason
        errors = [each for each in self.ledger.attempts if each.status is Status.ERROR]
        failed = [each for each in errors if each.role is not Role.SECOND_OPINION]
        if not failed:
            return reason
        words = "; ".join(f"{each.model}: {each.error_kind}" for each in failed)
        return f"{reason}; fallback → {served.model} ({words})"

    def _unanswered(self, last: tuple[Candidate, Fault] | None) -> Refused:
        """Nobody answered: write it down, and say it."""
        left_out = self.lineup.left_out
        if last is not None:
            return self._refused(refusals.failed(ending_of(last[1], last[0]), left_out), Status.ERROR)
        ending, after_s = refusals.nothing_to_try(self.plan, self.ask, left_out, now=datetime.now(UTC))
        return self._refused(ending, Status.BLOCKED, after_s)

    def _want_probes(self) -> None:
        """Tell the circuits which open ones this call would have used."""
        for each in self.plan.skipped if self.known.health.circuits else ():
            if each.reason is SkipReason.CIRCUIT_OPEN:
                circuits.want_probe((each.provider, each.model))

    def _refused(self, ending: Ending, status: Status, after_s: float | None = None) -> Refused:
        self.ledger.finish(status, ending.code, ending.message)
        return Refused(
            ending.status,
            ending.code,
            ending.message,
            request_id=self.id,
            retryable=ending.retryable,
            retry_after_s=after_s,
            details=ending.details,
            passed=ending.passed,
            attempts=tuple(self.ledger.attempts),
        )

    def _intent(self, facts: Facts) -> Intent:
        first = self.candidates[0] if self.candidates else None
        return Intent(
            id=self.id,
            started_at=self.started_at,
            wire=facts.wire,
            requested_model=facts.requested_model[:200],
            session=facts.session,
            metadata=dict(facts.metadata or {}),
            would_route=facts.would_route,
            stream=self.streams,
            candidates=tuple(each.key for each in self.candidates),
            routed_model=first.key if first else "",
            role=first.role if first else Role.PRIMARY,
            simulated=first is not None and first.kind is ProviderKind.SIMULATED,
            propensity=self.propensity,
            draw=self.u if len(self.plan.shares) > 1 else None,
            item=self.item,
            **records.asked_of(self.ask, self.caller, self.plan),
            **records.grading_of(self.known, self.ask, self.item),
        )
