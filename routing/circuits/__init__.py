"""What rests and what is broken, shared by all processes: in memory at once, in PostgreSQL right behind.

`note` is called on the way of every answer and never waits: it changes this process's view and remembers what to write. The thread of
`routing.snapshot` calls `write_pending`, `claim_probes` and `load`. While PostgreSQL is away the local view stands, and is written when it is back.

A circuit opens by what one process saw (5 in a row, or half of 20 in 30 s), or when the failures in a row of all processes, added up in
its row, come to 5 while no process had an answer between.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Q

from routing.audit import Actor
from routing.circuits import writing
from routing.circuits.shared import Shared, Streak
from routing.circuits.writing import Cooling, Served
from routing.models import Circuit as CircuitRow
from routing.models import Cooldown
from routing.policy import circuit as machine
from routing.policy.circuit import Circuit
from routing.policy.errors import Rests, consequence, cooldown_of
from routing.policy.health import Broken, Rest
from routing.terms.candidate import Candidate
from routing.terms.fault import Fault
from routing.terms.secret import Secret
from routing.terms.words import CircuitState
from routing.versions import bump_state

PROBE_LEASE_S = 30.0  # a worker that took the probe and died gives it up after that
IDLE_CLAIM_S = 2.0  # a worker without calls leaves the probe that long to those who have some

_shared = Shared()


def version() -> int:
    return _shared.version


def cooldowns() -> dict[Cooling, Rest]:
    with _shared.lock:
        return dict(_shared.cooldowns)


def not_ready() -> dict[tuple[str, str], str]:
    with _shared.lock:
        return dict(_shared.not_ready)


def broken() -> dict[Served, Broken]:
    """The circuits that are not closed."""
    with _shared.lock:
        return {
            served: Broken(circuit.retry_at, "failures", has_probe=served in _shared.probes)
            for served, circuit in _shared.circuits.items()
            if circuit.is_open and circuit.retry_at is not None
        }


def on_change(wake: Callable[[], None]) -> None:
    """Call `wake` whenever something waits to be written."""
    _shared.wake = wake


def forget() -> None:
    """Begin anew, without touching the database: for a test, or a forked child."""
    global _shared
    wake, seen = _shared.wake, _shared.version
    _shared = Shared()
    _shared.wake, _shared.version = wake, seen + 1


def may_probe(candidate: Candidate) -> bool:
    """Whether this call may go to the model: its circuit is closed, or this call is the one probe."""
    served = (candidate.provider, candidate.model)
    circuit = _shared.circuits.get(served)
    if circuit is None or not circuit.is_open:
        return True
    with _shared.lock:
        if served not in _shared.probes:
            return False
        _shared.probes.discard(served)
        _shared.circuits[served] = machine.probing(circuit)
        _shared.version += 1
    return True


def want_probe(served: Served) -> None:
    """A call would have gone there: claim the probe as soon as it may be sent."""
    if served not in _shared.wanted:
        _shared.wanted.add(served)
        _shared.wake()


def note(
    candidate: Candidate,
    fault: Fault | None,
    *,
    cooldown_s: float,
    quota: str | None,
    now: datetime,
    secret: Secret | None = None,
) -> None:
    """What an attempt with this secret taught us: an answer (`fault` None) or a fault. Local at once, written behind."""
    if fault is None:
        _note_answer((candidate.provider, candidate.model), now)
        return
    rests = consequence(fault).rests
    if rests is Rests.CIRCUIT:
        _note_failure((candidate.provider, candidate.model), fault, cooldown_s, now)
    elif rests is Rests.COOLDOWN:
        _rest(candidate, candidate.model, fault, cooldown_s, now)
    elif rests is Rests.CREDENTIAL:
        until = _rest(candidate, "", fault, cooldown_s, now)
        if quota is not None:
            _note_quota(quota, until, fault)
    elif rests is Rests.NOT_READY and candidate.credential is not None:
        _note_refused(candidate.provider, candidate.credential, fault, secret)


def note_answer(candidate: Candidate) -> None:
    """`note` of an answer."""
    _note_answer((candidate.provider, candidate.model), datetime.now(UTC))


def _note_answer(served: Served, now: datetime) -> None:
    circuit = _shared.circuits.get(served)
    with _shared.lock:
        _shared.circuits[served] = machine.succeeded(circuit or Circuit(), now)
        _shared.answered.add(served)
        _shared.streaks.pop(served, None)
        if circuit is not None and circuit.is_open:
            _shared.probes.discard(served)
            _shared.changed(("circuit", *served), lambda: writing.write_closed(served))


def _note_failure(served: Served, fault: Fault, cooldown_s: float, now: datetime) -> None:
    with _shared.lock:
        old = _shared.streaks.get(served)
        _shared.streaks[served] = Streak((old.failures if old else 0) + 1, fault, cooldown_s)
        _count_failure(served, _shared.circuits.get(served) or Circuit(), fault, cooldown_s, now)


def _count_failure(served: Served, before: Circuit, fault: Fault, cooldown_s: float, now: datetime) -> None:
    """One failure more, for who holds the lock."""
    after = machine.failed(before, now, cooldown_s=cooldown_s, chance=random.random())  # noqa: S311 - jitter
    _shared.circuits[served] = after
    if after.state is CircuitState.OPEN and before.state is not CircuitState.OPEN:
        _shared.probes.discard(served)
        _shared.changed(("circuit", *served), lambda: writing.write_open(served, after, fault, now))


def _rest(candidate: Candidate, model: str, fault: Fault, cooldown_s: float, now: datetime) -> datetime:
    """Let the credential rest, with this model or (model "") with all; a longer rest stands. Returns its end."""
    cooling = (candidate.provider, candidate.credential or "", model)
    until = now + timedelta(seconds=cooldown_of(fault, cooldown_s))
    with _shared.lock:
        old = _shared.cooldowns.get(cooling)
        if old is not None and old.until is not None and old.until >= until:
            return old.until
        _shared.cooldowns[cooling] = Rest(until, fault.message[:300])
        _shared.changed(("cooldown", *cooling), lambda: writing.write_cooldown(cooling, until, fault))
    return until


def _note_quota(quota: str, until: datetime, fault: Fault) -> None:
    with _shared.lock:
        _shared.changed(("quota", quota), lambda: writing.write_quota(quota, until, fault))


def _note_refused(provider: str, credential: str, fault: Fault, secret: Secret | None) -> None:
    with _shared.lock:
        if (provider, credential) in _shared.not_ready:
            return
        reason = f"{fault.http_status or fault.kind}: {fault.message}"[:300]
        _shared.not_ready[provider, credential] = reason
        _shared.changed(
            ("credential", provider, credential),
            lambda: writing.write_refused(provider, credential, reason, fault.http_status, secret),
        )


def write_pending() -> int:
    """Write what is known here and not there; how many. Raises what PostgreSQL raises, and then keeps the rest for later."""
    done = 0
    _share_streaks()
    for key, write in list(_shared.unwritten.items()):
        with transaction.atomic():
            write()
            bump_state()
        done += 1
        with _shared.lock:
            if _shared.unwritten.get(key) is write:
                del _shared.unwritten[key]
    return done


def _share_streaks() -> None:
    """Add what failed here to the failures in a row of all processes. Nobody else needs to know before that opens the circuit."""
    with _shared.lock:
        answered, _shared.answered = _shared.answered, set()
    try:
        writing.end_streaks(answered)
    except Exception:
        _shared.answered |= answered
        raise
    for served in list(_shared.streaks):
        with _shared.lock:
            streak = _shared.streaks.pop(served, None)
        if streak is not None:
            _share_streak(served, streak)


def _share_streak(served: Served, streak: Streak) -> None:
    try:
        total, is_closed = writing.count_failures(served, streak.failures)
    except Exception:
        with _shared.lock:
            since = _shared.streaks.get(served)
            _shared.streaks[served] = replace(streak, failures=streak.failures + (since.failures if since else 0))
        raise
    with _shared.lock:
        mine = _shared.circuits.get(served) or Circuit()
        if is_closed and not mine.is_open and total >= machine.IN_A_ROW:
            now = datetime.now(UTC)
            _count_failure(served, replace(mine, failures=total - 1), streak.fault, streak.cooldown_s, now)


def load(now: datetime) -> None:
    """Take over what PostgreSQL knows; what is not written yet stands beside it."""
    resting = {
        (row.provider, row.credential, row.model): Rest(row.until, row.reason)
        for row in Cooldown.objects.filter(until__gt=now)
    }
    open_rows = {(row.provider, row.model): row for row in CircuitRow.objects.exclude(state=CircuitState.CLOSED)}
    with _shared.lock:
        for key in _shared.unwritten:
            if key[0] == "cooldown" and (cooling := (key[1], key[2], key[3])) in _shared.cooldowns:
                resting[cooling] = _shared.cooldowns[cooling]
        _shared.cooldowns = resting
        _shared.not_ready = {
            pair: why for pair, why in _shared.not_ready.items() if ("credential", *pair) in _shared.unwritten
        }
        for served in open_rows.keys() | _shared.circuits.keys():
            if ("circuit", *served) not in _shared.unwritten:
                _take_over(served, open_rows.get(served))
        _shared.version += 1


def _take_over(served: Served, row: CircuitRow | None) -> None:
    mine = _shared.circuits.get(served) or Circuit()
    if row is None:
        _shared.circuits[served] = Circuit() if mine.is_open else mine
    elif not mine.is_open or mine.retry_at != row.retry_at:
        _shared.circuits[served] = Circuit(CircuitState.OPEN, row.failures, row.openings, row.retry_at)


def claim_probes(now: datetime, *, alone: bool = False) -> None:
    """Take the probe of every circuit that may be tried again, where no other process holds it. `alone`: PostgreSQL cannot be asked."""
    with _shared.lock:
        due = [
            served
            for served, circuit in _shared.circuits.items()
            if circuit.is_open and circuit.retry_at and circuit.retry_at <= now and served not in _shared.probes
            if served in _shared.wanted or circuit.retry_at + timedelta(seconds=IDLE_CLAIM_S) <= now
        ]
    for served in due:
        if alone or _claim(served, now):
            with _shared.lock:
                _shared.probes.add(served)
                _shared.wanted.discard(served)
                _shared.version += 1


def _claim(served: Served, now: datetime) -> bool:
    free = Q(probe_until=None) | Q(probe_until__lt=now)
    rows = CircuitRow.objects.exclude(state=CircuitState.CLOSED).filter(free, provider=served[0], model=served[1])
    lease = now + timedelta(seconds=PROBE_LEASE_S)
    return rows.filter(retry_at__lte=now).update(state=CircuitState.HALF_OPEN, probe_until=lease) == 1


def reset(provider: str | None = None, *, by: Actor) -> int:
    """End every cooldown, circuit and not-ready mark of the provider, or of all; how many there were."""
    ended = writing.end_all(provider, by)
    _reset_here(provider)
    return ended


def _reset_here(provider: str | None) -> None:
    def is_other(key: tuple[str, ...]) -> bool:
        return provider is not None and key[0] != provider

    with _shared.lock:
        _shared.cooldowns = {key: rest for key, rest in _shared.cooldowns.items() if is_other(key)}
        _shared.circuits = {key: circuit for key, circuit in _shared.circuits.items() if is_other(key)}
        _shared.not_ready = {key: why for key, why in _shared.not_ready.items() if is_other(key)}
        _shared.unwritten = {
            key: write for key, write in _shared.unwritten.items() if key[0] == "quota" or is_other(key[1:])
        }
        _shared.probes = {key for key in _shared.probes if is_other(key)}
        _shared.streaks = {key: streak for key, streak in _shared.streaks.items() if is_other(key)}
        _shared.version += 1
