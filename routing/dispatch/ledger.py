"""What is written of one call: its intent, each attempt, its outcome; and what budgets hold for it meanwhile."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime

from routing import circuits, recorder
from routing.attempt import Tried
from routing.budgets import NOTHING
from routing.dispatch import limits, metrics, paying, records
from routing.dispatch.quoting import unquoted
from routing.snapshot import Snapshot
from routing.terms.candidate import Candidate, Plan
from routing.terms.record import AttemptRecord, Intent, Outcome
from routing.terms.words import CredentialKind, ErrorKind, Role, Status


class Ledger:
    """The lines of one call. Each attempt is paid for, counted, and told to the circuits."""

    def __init__(self, known: Snapshot, plan: Plan, intent: Intent, texts: Callable[[], Iterable[str]]) -> None:
        """`texts` gives those of the request, which no error may leave quoted in what is written."""
        self.attempts: list[AttemptRecord] = []
        self.held: limits.Held | None = None  # of the client's tokens a minute
        self._known, self._plan, self._intent, self._texts = known, plan, intent, texts
        self._outcome: Outcome | None = None
        self._paid = NOTHING  # for the attempt that is on its way

    def start(self) -> None:
        """Raises recorder.Full: then no provider may be called."""
        recorder.start(self._intent)

    def unmade(self) -> None:
        """The call is not made after all: its client gets back what it was let in with."""
        limits.settle(self.held, ())

    def fall_back(self, then: Candidate) -> None:
        """The last attempt does not end the call: `then` is called next."""
        recorder.fall_back(self._intent.id, self.attempts[-1], then.key)

    async def pay(self, candidate: Candidate, writes: paying.Writes, degraded: frozenset[str] = frozenset()) -> None:
        """Have budgets hold what the next attempt may cost. Raises Unpaid. Nothing to do where no budget must hold."""
        self._paid.settle(None)  # of an attempt that came to nothing
        if self._known.payers:
            self._paid = await paying.pay(self._known, self._intent, candidate, writes, degraded)

    def note(self, candidate: Candidate, tried: Tried, role: Role | None = None) -> Tried:
        """Write down what one try brought."""
        if tried.seen is not None and not tried.seen.input_tokens:  # it broke before its provider had counted
            tried = replace(tried, seen=replace(tried.seen, input_tokens=self._intent.size))
        key = candidate.key
        model = self._known.table.models.get(key)  # None: a name that its vendor alone knows
        fault = tried.fault and replace(tried.fault, message=unquoted(tried.fault.message, self._texts()))
        record = records.attempt_of(
            candidate,
            replace(tried, fault=fault) if fault else tried,
            number=len(self.attempts) + 1,
            role=role or candidate.role,
            propensity=None if self.attempts else self._intent.propensity,
            rates=self._known.rates.get(key),
        )
        record = paying.charged(record, self._paid)
        self._paid.settle(record.cost_usd)
        self.attempts.append(record)
        label = record.model if model else metrics.UNLISTED
        metrics.attempts(record.provider, label, record.status, record.error_kind or "").inc()
        if tried.fault is None:
            metrics.seconds(record.provider).observe(tried.total_ms / 1000)
        if model is None:
            return tried  # nothing rests: its client could name as many as it likes
        if fault is None:
            circuits.note_answer(candidate)
            return tried
        endpoint = self._known.endpoint(candidate)
        is_callers = candidate.credential_kind is CredentialKind.CALLER
        if is_callers and fault.kind is ErrorKind.AUTH:
            circuits.give_back(candidate)
            return tried  # the client's own affair: nothing here stops being ready
        now, quota = datetime.now(UTC), None if is_callers else model.quota
        circuits.note(
            candidate,
            fault,
            cooldown_s=self._plan.cooldown_s,
            quota=quota,
            now=now,
            resets_at=self._known.health.full_until(quota, now) if quota else None,
            secret=endpoint.secret if endpoint else None,
            begun_at=tried.started_at,
        )
        return tried

    def hear(self, output_hash: str, chars: int) -> None:
        """What is kept of the last attempt's output, where another is to be compared with it."""
        self.attempts[-1] = replace(self.attempts[-1], output_hash=output_hash, output_chars=chars)

    def finish(self, status: Status, code: str, reason: str, *, used_fallback: bool = False) -> None:
        """Write down how the call ended, before its caller is told. What comes after the end changes nothing."""
        if self._outcome is not None:
            return
        limits.settle(self.held, self.attempts)
        self._paid.settle(None)
        metrics.calls(self._intent.task_type, status).inc()
        self._outcome = Outcome(
            id=self._intent.id,
            finished_at=datetime.now(UTC),
            status=status,
            attempts=tuple(self.attempts),
            error_code=code,
            used_fallback=used_fallback,
            reason=self._kept(reason)[:500],
        )
        recorder.finish(self._outcome)

    def _kept(self, reason: str) -> str:
        """A provider's words stand in a reason only where one has failed."""
        return unquoted(reason, self._texts()) if any(each.error_kind for each in self.attempts) else reason

    def reopen(self) -> None:
        """An attempt behind the answer is about to be made: the intent again, so that a death in it leaves its trace. Raises recorder.Full."""
        recorder.start(self._intent)

    def amend(self) -> None:
        """The same outcome with the attempts that came behind it."""
        self._paid.settle(None)
        if self._outcome is not None:
            recorder.finish(replace(self._outcome, attempts=tuple(self.attempts)))
