"""One call: what it knows, whom it may still ask, what is written of it. `engine` makes the attempts."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeAlias
from uuid import UUID

from routing import circuits, recorder, snapshot
from routing.attempt import Tried
from routing.budgets import Unpaid
from routing.clients import Caller
from routing.dispatch import keyed, records, refusals
from routing.dispatch.arms import arm
from routing.dispatch.bulkheads import Busy
from routing.dispatch.ledger import Ledger
from routing.dispatch.lineup import Lineup
from routing.dispatch.opinion import Asking, finished
from routing.dispatch.outcome import Begun, Ending, Refused, Result, ending_of
from routing.dispatch.quoting import texts_of
from routing.policy.plan import route_of
from routing.providers.base import Endpoint, Whole
from routing.providers.registry import is_relayed
from routing.snapshot import Snapshot
from routing.terms.candidate import Candidate
from routing.terms.event import Relayed, StreamStart, TextDelta, ThinkingDelta, ToolCallDelta
from routing.terms.fault import Fault
from routing.terms.quick import quick
from routing.terms.record import Intent
from routing.terms.request import Ask, Request, Timeouts
from routing.terms.words import ProviderKind, Role, SkipReason, Status

Told: TypeAlias = Begun | TextDelta | ThinkingDelta | ToolCallDelta | Relayed | Result
Over: TypeAlias = Callable[[ProviderKind], Whole] | None  # what an attempt goes over, where it is not for words


@quick
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
    id: UUID | None = None  # the call's, for a caller who had to know it before


NO_FACTS = Facts()


class Call:
    """Raises Refused (503) where the table has not been read yet."""

    def __init__(self, ask: Ask, request: Request, caller: Caller, facts: Facts, *, streams: bool) -> None:
        self.known = known = _known()
        self.ask, self.request, self.caller, self.facts, self.streams = ask, request, caller, facts, streams
        self.started_at, self.begun = datetime.now(UTC), time.perf_counter()
        self.id = facts.id or keyed.id_of(self.started_at)
        thread = facts.session or str(self.id)
        self.arm = arm(known, ask, caller.client, thread, self.started_at, is_session=bool(facts.session))
        self.plan, self.candidates = self.arm.plan, self.arm.candidates
        self.route, _ = route_of(known.table, ask)
        of_route = self.route is not None and self.route.second_opinion and not ask.is_observed
        self.asks_twice = facts.second_opinion or of_route
        self.passed: list[bytes] = []  # of a relayed stream, where a second opinion is to be compared with it
        self.timeouts = self.route.timeouts if self.route else Timeouts()
        total_s = min(self.timeouts.total_s, facts.timeout_s or self.timeouts.total_s)
        self.deadline = self.begun + total_s
        self.ledger = Ledger(known, self.plan, self._intent(facts), partial(texts_of, request))
        self.lineup = Lineup(known.table, self.candidates, ask.size)
        self.last: tuple[Candidate, Fault] | None = None  # who was tried last, and what came of it

    @contextmanager
    def written(self) -> Iterator[None]:
        """Within it the call is written down: that it begins, before anybody is asked, and how it ended, whatever ends it."""
        if self.candidates and not is_relayed(self.candidates[0].kind, self.request.raw):
            self.request = self.request.whole()
        try:
            self.ledger.start()
            keyed.begun(self.id, self.ledger.attempts)
        except recorder.Full as error:
            self.ledger.unmade()
            raise Refused(
                503, "recording_unavailable", f"The call cannot be recorded: {error}", retryable=True, retry_after_s=5
            ) from None
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            self.ledger.finish(Status.CANCELLED, "cancelled", "the client went away")
            raise
        except Refused:
            raise
        except BaseException:
            self.ledger.finish(Status.ERROR, "internal", "an error of Cortex itself")
            raise

    def turns(self) -> Iterator[Candidate]:
        """Each candidate when its turn comes. Raises Refused where the call may not be made."""
        spent = refusals.budget(self.known.health.spent, self.ask, self.caller)
        if spent is not None:
            raise self.refused(spent, Status.BLOCKED)
        self._want_probes()
        for candidate in self.lineup:
            if self.last is not None:
                self.ledger.fall_back(candidate)
            yield candidate

    def leave_out(self, candidate: Candidate, error: Exception) -> None:
        """The candidate was not asked: its provider has as many calls as it may or cannot be told what the client wrote, or a budget does not pay.

        Raises Refused where that is the end: no other candidate helps against the limit of the caller's own budget.
        """
        circuits.give_back(candidate)
        if isinstance(error, Busy):
            self.lineup.is_full(candidate)
        elif isinstance(error, Unpaid):
            if error.ends_the_call and self.last is None:
                raise self.refused(*refusals.unpaid(error, candidate)) from None
            self.plan = self.lineup.unpaid(candidate, error, self.known, self.ask) or self.plan
        else:
            self.lineup.cannot_be_told(candidate, str(error))

    def goes_on(self, candidate: Candidate, fault: Fault) -> bool:
        """Whether anybody else may be tried after this fault."""
        self.last = candidate, fault
        return self.lineup.taught(candidate, fault)

    def endpoint(self, candidate: Candidate) -> Endpoint | None:
        """Where to ask the candidate, `request` being what it can be told; None when its credential went away. Raises Unreadable."""
        if not is_relayed(candidate.kind, self.request.raw):
            self.request = self.request.whole()
        return self.known.endpoint(candidate)

    def limits(self) -> Timeouts:
        """The route's timeouts, none longer than what is left of the call."""
        left_s = max(self.deadline - time.perf_counter(), 0.0)
        return Timeouts(self.timeouts.connect_s, self.timeouts.first_token_s, self.timeouts.idle_s, left_s)

    def begins(self, candidate: Candidate, start: StreamStart) -> Begun:
        """What a stream's reader is told first."""
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
            credential_kind=candidate.credential_kind,
        )

    async def result(self, candidate: Candidate, tried: Tried, *, is_alone: bool = False) -> Result:
        """The call's end with an answer. `is_alone`: no second opinion is asked for."""
        served, answer = self.ledger.attempts[-1], tried.answer
        if answer is None:  # neither answer nor fault: an adapter broke its promise
            raise RuntimeError(f"The adapter of {candidate.key} brought nothing")
        reason, used_fallback = self._reason(candidate), served.role is Role.FALLBACK
        finish = partial(self.ledger.finish, Status.OK, "", reason, used_fallback=used_fallback)
        asking = None
        if self.asks_twice and not is_alone:
            asking = Asking(self.known, self.plan, self.ask, self.request, self.ledger, candidate, self.timeouts)
            asking.heard(self.facts.wire, answer, self.passed)
        second = None
        if asking is None:
            finish()
        else:
            second = await finished(asking, finish, self.facts.wire, deadline=self.deadline, is_told=self.streams)
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
            credential_kind=candidate.credential_kind,
        )

    def _reason(self, served: Candidate) -> str:
        """Why this model serves: the plan's reason, and what failed before."""
        first = self.lineup.candidates[0]
        reason = self.plan.reason if first.role is not Role.EXPLORE else first.reason
        errors = [each for each in self.ledger.attempts if each.status is Status.ERROR]
        failed = [each for each in errors if each.role is not Role.SECOND_OPINION]
        if not failed:
            return reason
        words = "; ".join(f"{each.model}: {each.error_kind}" for each in failed)
        return f"{reason}; fallback → {served.model} ({words})"

    def unanswered(self) -> Refused:
        """Nobody answered: write it down, and say it."""
        left_out, last = self.lineup.left_out, self.last
        if last is not None:
            return self.refused(refusals.failed(ending_of(last[1], last[0]), left_out), Status.ERROR)
        ending, after_s = refusals.nothing_to_try(self.plan, self.ask, left_out, now=datetime.now(UTC))
        return self.refused(ending, Status.BLOCKED, after_s)

    def _want_probes(self) -> None:
        """Tell the circuits which open ones this call would have used."""
        for each in self.plan.skipped if self.known.health.circuits else ():
            if each.reason is SkipReason.CIRCUIT_OPEN:
                circuits.want_probe((each.provider, each.model))

    def refused(self, ending: Ending, status: Status, after_s: float | None = None) -> Refused:
        """The call's end without an answer: written down, and to be raised."""
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
            propensity=self.arm.propensity,
            draw=self.arm.u if len(self.plan.shares) > 1 else None,
            item=self.arm.item,
            **records.asked_of(self.ask, self.caller, self.plan),
            **records.grading_of(self.known, self.ask, self.arm.item),
        )


def _known() -> Snapshot:
    try:
        return snapshot.current()
    except snapshot.NotLoaded as error:
        raise Refused(503, "not_ready", str(error), retryable=True, retry_after_s=1) from None
