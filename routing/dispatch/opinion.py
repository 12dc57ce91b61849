"""A second opinion: what another provider's model says to the same request. Its failure never hurts the first answer.

A native caller is told it with the first answer. A client of a wire could not be told, and must not wait: its second opinion is asked for
behind the answer, and is written down as a later, longer outcome of the same call.
"""

import asyncio
import hmac
import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from weakref import WeakKeyDictionary

from routing import circuits, recorder
from routing.attempt import Tried, attempt
from routing.budgets import Unpaid
from routing.dispatch.bulkheads import Busy, bulkhead
from routing.dispatch.ledger import Ledger
from routing.dispatch.outcome import Opinion, at_its_deadline
from routing.dispatch.paying import Writes
from routing.policy.chain import chain
from routing.providers.base import Endpoint
from routing.providers.registry import adapter_for
from routing.snapshot import Snapshot
from routing.terms.candidate import Candidate, Plan
from routing.terms.fault import Fault
from routing.terms.request import Answer, Ask, Request, Timeouts
from routing.terms.words import CredentialKind, ErrorKind, Role
from routing.wire.base import Unreadable
from routing.wire.overheard import text_of

log = logging.getLogger(__name__)
TOLD = "native"  # the wire whose answers have a place for it
MOST_BEHIND = 256  # of one process at a time; beyond that a call has no second opinion
LAST_S = 10.0  # what those behind are given when the process ends


@dataclass(frozen=True, slots=True)
class Asking:
    """All that a second opinion takes of its call."""

    known: Snapshot
    plan: Plan
    ask: Ask
    request: Request
    ledger: Ledger
    served: Candidate
    timeouts: Timeouts

    def other(self) -> tuple[Candidate, Endpoint] | None:
        """Who is asked: a candidate of another provider, of the route, else of the tier chain. None when there is nobody."""
        if self.ask.bound:  # what is bound to a wire is not translated
            return None
        tried = {f"{each.provider}:{each.model}" for each in self.ledger.attempts}
        found = _other(self.known, self.plan, self.ask, self.served, tried)
        endpoint = self.known.endpoint(found) if found else None
        return (found, endpoint) if found and endpoint else None

    def heard(self, wire: str, answer: Answer, passed: Sequence[bytes] = ()) -> None:
        """Keep of the last attempt's output what tells whether another says the same. Of a relayed stream it is in what was `passed` on."""
        output = text_of(wire, b"".join(passed)) if passed else answer.output
        self.ledger.hear(hash_of(self.known.draw_key, output), len(output))


async def finished(
    asking: Asking, finish: Callable[[], None], wire: str, *, deadline: float, is_told: bool
) -> Opinion | None:
    """Have the call written down by `finish`, with a second opinion: asked for before that, or behind the answer.

    `is_told`: the caller has all of the first answer, so that going away takes nothing from it.
    """
    if wire != TOLD:
        finish()
        behind(asking)
        return None
    try:
        second = await opinion(asking, deadline=deadline)
    except asyncio.CancelledError:
        if is_told:
            finish()
        raise
    finish()
    return second


async def opinion(asking: Asking, *, deadline: float) -> Opinion | None:
    """The second answer; None when nobody else could give one, nobody pays for it, or no time is left. `deadline` is of time.perf_counter."""
    found, left_s = asking.other(), deadline - time.perf_counter()
    if found is None or left_s <= 0:
        return None
    other, endpoint = found
    try:
        request = asking.request.whole()
        await asking.ledger.pay(other, Writes(asking.ask.max_tokens))
    except (Unreadable, Unpaid):
        return None
    if not circuits.may_probe(other):
        return None
    started_at, begun = datetime.now(UTC), time.perf_counter()
    try:
        async with bulkhead(other.provider, asking.known.capacity):
            asking.ledger.fall_back(other)
            limits = replace(asking.timeouts, total_s=left_s)
            brought = await attempt(adapter_for(other.kind), other, endpoint, request, limits)
    except Busy:  # who waits for its own answer comes first
        circuits.give_back(other)
        return None
    except asyncio.CancelledError:
        gone = Fault(ErrorKind.CANCELLED, "the call ended before its second opinion came")
        asking.ledger.note(
            other, Tried(started_at, round((time.perf_counter() - begun) * 1000), fault=gone), Role.SECOND_OPINION
        )
        raise
    asking.ledger.note(other, at_its_deadline(brought, deadline), Role.SECOND_OPINION)
    if brought.answer is not None:
        asking.heard(TOLD, brought.answer)
    return Opinion(asking.ledger.attempts[-1], brought.answer)


def behind(asking: Asking) -> None:
    """Ask for it while the caller goes on with the first answer, which is written down by now."""
    tasks = _behind.setdefault(asyncio.get_running_loop(), set())
    if len(tasks) >= MOST_BEHIND or asking.other() is None:
        return
    task = asyncio.create_task(_late(asking))
    tasks.add(task)
    task.add_done_callback(tasks.discard)


async def _late(asking: Asking) -> None:
    try:
        asking.ledger.reopen()
    except recorder.Full:  # nothing is called that cannot be written down
        return
    try:
        await opinion(asking, deadline=time.perf_counter() + asking.timeouts.total_s)
    except Exception as error:  # noqa: BLE001 - the first answer stands; the text may quote the prompt
        log.error("A second opinion failed of a defect: %s", type(error).__name__)
    finally:
        asking.ledger.amend()


async def settled(within_s: float = LAST_S) -> None:
    """Wait for those behind the answers of the running loop; what is not there in time is cancelled, and written down as such."""
    tasks = _behind.get(asyncio.get_running_loop(), set())
    if not tasks:
        return
    _, late = await asyncio.wait(set(tasks), timeout=within_s)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)


_behind: WeakKeyDictionary[asyncio.AbstractEventLoop, set[asyncio.Task[None]]] = WeakKeyDictionary()


def hash_of(key: bytes, output: str) -> str:
    """HMAC-SHA256 of an output: two may be compared, and nobody finds a short one by trying words."""
    return hmac.new(key, b"output:" + output.encode("utf-8", "replace"), "sha256").hexdigest()


def _other(known: Snapshot, plan: Plan, ask: Ask, served: Candidate, tried: Collection[str]) -> Candidate | None:
    for candidate in plan.candidates:
        is_ours = candidate.credential_kind is not CredentialKind.CALLER  # a client's own is for what it asked itself
        if is_ours and candidate.provider != served.provider and candidate.key not in tried:
            return candidate
    for hop in chain(known.table, served.key):
        if not hop.model.startswith(f"{served.provider}:") and hop.model not in tried:
            found = known.plan(
                replace(ask, override=hop.model, fallback="none", brings=""), datetime.now(UTC)
            ).candidates
            if found:
                return found[0]
    return None
