"""The attempt loop of one call."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from routing import circuits, recorder, snapshot
from routing.attempt import Tried, attempt
from routing.clients import Caller
from routing.dispatch import records, refusals
from routing.dispatch.bulkheads import Busy, bulkhead
from routing.dispatch.metrics import ATTEMPTS, CALLS, SECONDS
from routing.dispatch.outcome import Ending, Opinion, Refused, Result, ending_of
from routing.policy.chain import chain
from routing.policy.draw import canonical, drawn, uniform
from routing.policy.errors import Next, consequence
from routing.policy.plan import route_of
from routing.providers.registry import adapter_for
from routing.snapshot import Snapshot
from routing.terms.candidate import Candidate
from routing.terms.fault import Fault
from routing.terms.ids import item_of, uuid7
from routing.terms.record import AttemptRecord, Intent, Outcome
from routing.terms.request import Ask, Request, Timeouts
from routing.terms.words import ErrorKind, ProviderKind, Role, Status


@dataclass(frozen=True, slots=True)
class Facts:
    """What a caller says beside the ask and the request."""

    session: str = ""
    metadata: Mapping[str, str] | None = None
    timeout_s: float | None = None  # the caller's own; the route's total holds anyway
    requested_model: str = ""
    wire: str = "native"
    second_opinion: bool = False


async def dispatch(ask: Ask, request: Request, caller: Caller, facts: Facts = Facts()) -> Result:
    """The answer of the first candidate that gives one. Raises Refused, and CancelledError when the client went away.

    `resolve.Unknown` and `resolve.Ambiguous` come up for an override that names no one model.
    """
    try:
        known = snapshot.current()
    except snapshot.NotLoaded as error:
        raise Refused(503, "not_ready", str(error), retryable=True, retry_after_s=1) from None
    return await _Call(known, ask, request, caller, facts).run()


class _Call:
    def __init__(self, known: Snapshot, ask: Ask, request: Request, caller: Caller, facts: Facts) -> None:
        self.known, self.ask, self.request, self.caller, self.facts = known, ask, request, caller, facts
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
        self.attempts: list[AttemptRecord] = []
        self.larger_than: int | None = None  # after "context too long": only windows beyond this one
        self.shed = False  # a candidate was left out because its provider is full

    async def run(self) -> Result:
        try:
            recorder.start(self._intent())
        except recorder.Full as error:
            raise Refused(
                503, "recording_unavailable", f"The call cannot be recorded: {error}", retryable=True, retry_after_s=5
            ) from None
        try:
            return await self._run()
        except asyncio.CancelledError:
            self._finish(Status.CANCELLED, "cancelled", "the client went away")
            raise
        except Refused:
            raise
        except BaseException:
            self._finish(Status.ERROR, "internal", "an error of Cortex itself")
            raise

    async def _run(self) -> Result:
        spent = refusals.budget(self.known.health.spent, self.ask, self.caller)
        if spent is not None:
            raise self._refused(spent, Status.BLOCKED)
        self._want_probes()
        last: tuple[Candidate, Fault] | None = None
        for candidate in self.candidates:
            if not self._is_open_to(candidate):
                continue
            if last is not None:
                recorder.fall_back(self.id, self.attempts[-1], candidate.key)
            try:
                tried = await self._try(candidate)
            except Busy:
                self.shed = True
                continue
            if tried.fault is None:
                return await self._result(candidate, tried)
            last = candidate, tried.fault
            if not self._may_go_on(candidate, tried.fault):
                break
        raise self._unanswered(last)

    def _is_open_to(self, candidate: Candidate) -> bool:
        """Whether this candidate may be tried now; what a plan cannot know, because it changes within a call."""
        if self.larger_than is not None:
            window = self._window(candidate)
            if window is None or window <= self.larger_than:
                return False
        return circuits.may_probe(candidate)

    def _may_go_on(self, candidate: Candidate, fault: Fault) -> bool:
        following = consequence(fault).next
        if following is Next.LARGER_WINDOW:
            self.larger_than = self._window(candidate) or self.ask.size
            return True
        return following is Next.ANY

    def _window(self, candidate: Candidate) -> int | None:
        model = self.known.table.models.get(candidate.key)
        return model.context_window if model else None

    async def _try(self, candidate: Candidate) -> Tried:
        """One attempt: in its provider's bulkhead, bounded by what is left, noted for the next calls. Raises Busy."""
        endpoint = self.known.endpoint(candidate)
        if endpoint is None:
            fault = Fault(ErrorKind.CONFIG, f"{candidate.key}: the credential is not there any more")
            return self._noted(candidate, Tried(datetime.now(UTC), 0, fault=fault))
        capacity = self.known.capacity.get(candidate.provider, 64)
        started_at, begun = datetime.now(UTC), time.perf_counter()
        try:
            async with bulkhead(candidate.provider, capacity).place():
                left_s = max(self.deadline - time.perf_counter(), 0.0)
                limits = replace(self.timeouts, total_s=left_s)
                adapter = adapter_for(candidate.kind)
                tried = await attempt(adapter, candidate, endpoint, self.request, limits)
        except asyncio.CancelledError:
            total_ms = round((time.perf_counter() - begun) * 1000)
            gone = Fault(ErrorKind.CANCELLED, "the client went away")
            self._noted(candidate, Tried(started_at, total_ms, fault=gone))
            raise
        return self._noted(candidate, self._judged(tried, candidate))

    def _judged(self, tried: Tried, candidate: Candidate) -> Tried:
        """A timeout at the caller's own deadline is not the provider's fault."""
        fault = tried.fault
        if fault is not None and fault.kind is ErrorKind.TIMEOUT and time.perf_counter() >= self.deadline:
            return replace(tried, fault=replace(fault, kind=ErrorKind.DEADLINE))
        return tried

    def _noted(self, candidate: Candidate, tried: Tried, role: Role | None = None) -> Tried:
        """Written among the attempts, counted, and told to the circuits."""
        record = records.attempt_of(
            candidate,
            tried,
            number=len(self.attempts) + 1,
            role=role or candidate.role,
            propensity=None if self.attempts else self.propensity,
            rates=self.known.rates.get(candidate.key),
        )
        self.attempts.append(record)
        ATTEMPTS.labels(record.provider, record.model, record.status, record.error_kind or "").inc()
        if tried.fault is None:
            SECONDS.labels(record.provider).observe(tried.total_ms / 1000)
        model = self.known.table.models.get(candidate.key)
        circuits.note(
            candidate,
            tried.fault,
            cooldown_s=self.plan.cooldown_s,
            quota=model.quota if model else None,
            now=datetime.now(UTC),
        )
        return tried

    async def _result(self, candidate: Candidate, tried: Tried) -> Result:
        served = self.attempts[-1]
        answer = tried.answer
        if answer is None:  # neither answer nor fault: an adapter broke its promise
            raise RuntimeError(f"The adapter of {candidate.key} brought nothing")
        opinion = await self._opinion(candidate) if self._wants_opinion() else None
        reason = self._reason(served)
        used_fallback = served.role is Role.FALLBACK
        self._finish(Status.OK, "", reason, used_fallback=used_fallback)
        return Result(
            request_id=self.id,
            task_type=self.ask.task_type,
            provider=candidate.provider,
            model=candidate.model,
            answer=answer,
            attempts=tuple(self.attempts),
            cost_usd=records.total(self.attempts),
            ttft_ms=tried.ttft_ms,
            total_ms=self._elapsed_ms(),
            used_fallback=used_fallback,
            reason=reason,
            revision=self.plan.revision,
            simulated=candidate.kind is ProviderKind.SIMULATED,
            second_opinion=opinion,
        )

    def _wants_opinion(self) -> bool:
        return self.facts.second_opinion or (self.route is not None and self.route.second_opinion)

    async def _opinion(self, served: Candidate) -> Opinion | None:
        """The answer of another provider's model to the same request. Its failure never hurts the first answer."""
        other = self._other(served)
        if other is None:
            return None
        endpoint = self.known.endpoint(other)
        left_s = self.deadline - time.perf_counter()
        if endpoint is None or left_s <= 0:
            return None
        recorder.fall_back(self.id, self.attempts[-1], other.key)
        limits = replace(self.timeouts, total_s=left_s)
        tried = await attempt(adapter_for(other.kind), other, endpoint, self.request, limits)
        self._noted(other, self._judged(tried, other), Role.SECOND_OPINION)
        return Opinion(self.attempts[-1], tried.answer)

    def _other(self, served: Candidate) -> Candidate | None:
        """A candidate of another provider: of the route, else of the tier chain."""
        tried = {f"{each.provider}:{each.model}" for each in self.attempts}
        for candidate in self.plan.candidates:
            if candidate.provider != served.provider and candidate.key not in tried:
                return candidate
        for hop in chain(self.known.table, served.key):
            if not hop.model.startswith(f"{served.provider}:") and hop.model not in tried:
                ask = replace(self.ask, override=hop.model, fallback="none")
                found = self.known.plan(ask, datetime.now(UTC)).candidates
                if found:
                    return found[0]
        return None

    def _reason(self, served: AttemptRecord) -> str:
        first = self.candidates[0]
        reason = self.plan.reason if first.role is not Role.EXPLORE else first.reason
        failed = [
            each for each in self.attempts if each.status is Status.ERROR and each.role is not Role.SECOND_OPINION
        ]
        if not failed or served.role is Role.SECOND_OPINION:
            return reason
        words = "; ".join(f"{each.model}: {each.error_kind}" for each in failed)
        return f"{reason}; fallback → {served.model} ({words})"

    def _unanswered(self, last: tuple[Candidate, Fault] | None) -> Refused:
        """Nobody answered: write it down, and say it."""
        if last is not None:
            return self._refused(ending_of(last[1], last[0].key), Status.ERROR)
        ending, after_s = refusals.nothing_to_try(self.plan, self.ask, shed=self.shed, now=datetime.now(UTC))
        return self._refused(ending, Status.BLOCKED, after_s)

    def _want_probes(self) -> None:
        """Tell the circuits which open ones this call would have used."""
        for served in self.known.health.circuits:
            if any((each.provider, each.model) == served for each in self.plan.skipped):
                circuits.want_probe(served)

    def _refused(self, ending: Ending, status: Status, after_s: float | None = None) -> Refused:
        self._finish(status, ending.code, ending.message)
        return Refused(
            ending.status,
            ending.code,
            ending.message,
            request_id=self.id,
            retryable=ending.retryable,
            retry_after_s=after_s,
            details=ending.details,
            attempts=tuple(self.attempts),
        )

    def _finish(self, status: Status, code: str, reason: str, *, used_fallback: bool = False) -> None:
        CALLS.labels(self.ask.task_type, status).inc()
        recorder.finish(
            Outcome(
                id=self.id,
                finished_at=datetime.now(UTC),
                status=status,
                attempts=tuple(self.attempts),
                error_code=code,
                used_fallback=used_fallback,
                reason=reason[:500],
            )
        )

    def _elapsed_ms(self) -> int:
        return round((time.perf_counter() - self.begun) * 1000)

    def _intent(self) -> Intent:
        first = self.candidates[0] if self.candidates else None
        task = self.known.table.task_types.get(self.ask.task_type)
        grading_p = task.grading_share if task else 1.0
        return Intent(
            id=self.id,
            started_at=self.started_at,
            task_type=self.ask.task_type,
            client=self.caller.client,
            key_prefix=self.caller.prefix,
            wire=self.facts.wire,
            route_revision=self.plan.revision,
            requested_model=self.facts.requested_model[:200],
            routed_model=first.key if first else "",
            candidates=tuple(each.key for each in self.candidates),
            role=first.role if first else Role.PRIMARY,
            propensity=self.propensity,
            shares=canonical(self.plan.shares),
            draw=self.u if len(self.plan.shares) > 1 else None,
            item=self.item,
            session=self.facts.session,
            size=self.ask.size,
            drawn=uniform(self.item, self.known.draw_key, b"grading") < grading_p,
            grading_p=grading_p,
            project=self.ask.project or "",
            background=self.ask.background,
            simulated=first is not None and first.kind is ProviderKind.SIMULATED,
            reason=self.plan.reason[:500],
            metadata=dict(self.facts.metadata or {}),
        )
