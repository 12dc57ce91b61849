"""The candidates of one call as they may still be tried: what one attempt teaches holds for those behind it.

A plan cannot know it, because it changes within the call. Whoever is left out is remembered with the reason: nobody is dropped in silence.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from routing import circuits
from routing.budgets import Unpaid
from routing.dispatch import paying
from routing.policy.errors import Next, Rests, consequence
from routing.policy.table import Table
from routing.snapshot import Snapshot
from routing.terms.candidate import Candidate, Plan, Skipped
from routing.terms.fault import Fault
from routing.terms.request import Ask
from routing.terms.words import BudgetAction, SkipReason

_ENDS_A_CREDENTIAL = frozenset({Rests.CREDENTIAL, Rests.NOT_READY})


class Lineup:
    def __init__(self, table: Table, candidates: tuple[Candidate, ...], size: int) -> None:
        self.candidates = candidates
        self.left_out: list[Skipped] = []
        self.degraded: frozenset[str] = frozenset()  # the budgets that this call has met at their limit
        self._table, self._size = table, size
        self._turned: list[Candidate] = []  # whose turn has come
        self._larger_than: int | None = None  # after "context too long": only windows beyond this one
        self._refused: dict[tuple[str, str | None], str] = {}  # (provider, credential) → by which model
        self._is_fallback = False  # somebody has been tried
        self._is_storm = False  # too many fallbacks of late have failed

    def __iter__(self) -> Iterator[Candidate]:
        """Each that may be tried when its turn comes."""
        circuits.retries().called(time.monotonic())
        while (candidate := self._following()) is not None:
            self._turned.append(candidate)
            objection = self._objection(candidate)
            if objection is None:
                yield candidate
            else:
                self._leave_out(candidate, *objection)

    def _following(self) -> Candidate | None:
        for each in self.candidates:
            if each not in self._turned:
                return each
        return None

    def taught(self, candidate: Candidate, fault: Fault) -> bool:
        """Take in what the candidate's fault means for the others; whether any of them may be tried."""
        following = consequence(fault)
        if following.rests in _ENDS_A_CREDENTIAL:
            self._refused[candidate.provider, candidate.credential] = candidate.model
        if following.rests is Rests.CIRCUIT:
            self._is_storm = self._storms()
        self._is_fallback = True
        if following.next is Next.LARGER_WINDOW:
            self._larger_than = self._window(candidate) or self._size
        return following.next is not Next.NONE

    def _storms(self) -> bool:
        """Whether too many fallbacks have failed of late, the one that just did included."""
        retries, now = circuits.retries(), time.monotonic()
        if self._is_fallback:
            retries.failed(now)
        return not retries.allows(now)

    def is_full(self, candidate: Candidate) -> None:
        """The candidate was not called: its provider has as many calls as it may."""
        self._leave_out(candidate, SkipReason.BUSY, "left out: its provider has as many calls as it may")

    def cannot_be_told(self, candidate: Candidate, why: str) -> None:
        """The candidate was not called: the body cannot be put into its provider's words."""
        self._leave_out(candidate, SkipReason.UNSUPPORTED, f"cannot be told what the client wrote: {why}")

    def unpaid(self, candidate: Candidate, error: Unpaid, known: Snapshot, ask: Ask) -> Plan | None:
        """The candidate was not called: a budget does not pay for it. The plan to go on by, where cheaper models take over."""
        self.left_out.append(paying.left_out(candidate, error))
        if error.ends_the_call:
            self.candidates = ()
        if error.payer.action is not BudgetAction.DEGRADE:
            return None
        self.degraded |= {error.payer.scope}
        plan = known.cheaper_plan(ask, self.degraded, datetime.now(UTC))
        tried = {each.key for each in self._turned} - {each.key for each in self.left_out}
        kept = {each.key for each in plan.candidates}
        self._turned = [each for each in plan.candidates if each.key in tried]
        self.left_out = [each for each in self.left_out if each.key not in kept]
        self.candidates = plan.candidates
        return plan

    @property
    def shed(self) -> bool:
        """Whether a provider was too full for this call."""
        return any(each.reason is SkipReason.BUSY for each in self.left_out)

    def _objection(self, candidate: Candidate) -> tuple[SkipReason, str] | None:
        refused = self._refused.get((candidate.provider, candidate.credential))
        if refused is not None:
            return SkipReason.NOT_READY, f"shares the credential that {refused} was just refused with"
        if self._larger_than is not None and (self._window(candidate) or 0) <= self._larger_than:
            return SkipReason.WINDOW_TOO_SMALL, "has no larger window than the model for which this was too long"
        if self._is_storm and circuits.is_failing(candidate):
            return SkipReason.RETRY_BUDGET, "failed last time, and too many fallbacks of the last seconds have failed"
        if not circuits.may_probe(candidate):
            return SkipReason.CIRCUIT_OPEN, "circuit open after failures, another call is finding out"
        return None

    def _leave_out(self, candidate: Candidate, reason: SkipReason, detail: str) -> None:
        self.left_out.append(Skipped(candidate.provider, candidate.model, reason, detail))

    def _window(self, candidate: Candidate) -> int | None:
        model = self._table.models.get(candidate.key)
        return model.context_window if model else None
