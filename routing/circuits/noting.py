"""What an attempt teaches this process of the model, the credential and the quota that it used. Local at once, written behind."""

import random
from datetime import UTC, datetime, timedelta

from routing.circuits import writing
from routing.circuits.probes import give_back
from routing.circuits.shared import Streak, here
from routing.circuits.writing import Served
from routing.policy import circuit as machine
from routing.policy.circuit import Circuit
from routing.policy.errors import Rests, consequence, cooldown_of
from routing.policy.health import Rest
from routing.terms.candidate import Candidate
from routing.terms.fault import Fault
from routing.terms.secret import Secret
from routing.terms.words import CircuitState


def note(
    candidate: Candidate,
    fault: Fault | None,
    *,
    cooldown_s: float,
    quota: str | None,
    now: datetime,
    secret: Secret | None = None,
    begun_at: datetime | None = None,
    resets_at: datetime | None = None,
) -> None:
    """What an attempt with this secret taught us: an answer (`fault` None) or a fault. Local at once, written behind.

    `resets_at` is when the quota is known to begin anew: what is spent and names no time waits for it.
    One that had `begun_at` before the circuit opened and ends while the probe is on its way says nothing of the probe.
    """
    served = (candidate.provider, candidate.model)
    if fault is None:
        _note_answer(served, now)
        return
    rests = consequence(fault).rests
    if not _is_late(served, begun_at):
        if rests is Rests.CIRCUIT:
            _note_failure(served, fault, cooldown_s, now)
        else:
            give_back(candidate)
    if rests is Rests.COOLDOWN:
        _rest(candidate, candidate.model, fault, cooldown_s, now)
    elif rests is Rests.CREDENTIAL:
        if resets_at is not None and fault.retry_after_s is None:
            cooldown_s = (resets_at - now).total_seconds()
            until = max(_rest(candidate, "", fault, cooldown_s, now), resets_at)
        else:
            until = _rest(candidate, "", fault, cooldown_s, now)
        if quota is not None:
            _note_quota(quota, until, fault)
    elif rests is Rests.NOT_READY and candidate.credential is not None:
        _note_refused(candidate.provider, candidate.credential, fault, secret)


def note_answer(candidate: Candidate) -> None:
    """`note` of an answer."""
    _note_answer((candidate.provider, candidate.model), datetime.now(UTC))


def _is_late(served: Served, begun_at: datetime | None) -> bool:
    circuit = here.circuits.get(served)
    if circuit is None or begun_at is None or circuit.retry_at is None:
        return False
    return circuit.state is CircuitState.HALF_OPEN and begun_at < circuit.retry_at


def _note_answer(served: Served, now: datetime) -> None:
    circuit = here.circuits.get(served)
    with here.lock:
        here.circuits[served] = machine.succeeded(circuit or Circuit(), now)
        here.answered.add(served)
        here.streaks.pop(served, None)
        if circuit is not None and circuit.is_open:
            here.probes.discard(served)
            here.changed(("circuit", *served), lambda: writing.write_closed(served))


def _note_failure(served: Served, fault: Fault, cooldown_s: float, now: datetime) -> None:
    with here.lock:
        old = here.streaks.get(served)
        here.streaks[served] = here.last[served] = Streak((old.failures if old else 0) + 1, fault, cooldown_s)
        count_failure(served, here.circuits.get(served) or Circuit(), fault, cooldown_s, now)


def count_failure(served: Served, before: Circuit, fault: Fault, cooldown_s: float, now: datetime) -> None:
    """One failure more, for who holds the lock."""
    turn(served, before, machine.failed(before, now, cooldown_s=cooldown_s, chance=chance()), fault, now)


def chance() -> float:
    return random.random()  # noqa: S311 - jitter


def turn(served: Served, before: Circuit, after: Circuit, fault: Fault, now: datetime) -> None:
    here.circuits[served] = after
    if after.state is CircuitState.OPEN and before.state is not CircuitState.OPEN:
        here.probes.discard(served)
        here.changed(("circuit", *served), lambda: writing.write_open(served, after, fault, now))


def _rest(candidate: Candidate, model: str, fault: Fault, cooldown_s: float, now: datetime) -> datetime:
    """Let the credential rest, with this model or (model "") with all; a longer rest stands. Returns its end."""
    cooling = (candidate.provider, candidate.credential or "", model)
    until = now + timedelta(seconds=cooldown_of(fault, cooldown_s))
    with here.lock:
        old = here.cooldowns.get(cooling)
        if old is not None and old.until is not None and old.until >= until:
            return old.until
        here.cooldowns[cooling] = Rest(until, fault.message[:300])
        here.changed(("cooldown", *cooling), lambda: writing.write_cooldown(cooling, until, fault))
    return until


def _note_quota(quota: str, until: datetime, fault: Fault) -> None:
    with here.lock:
        here.changed(("quota", quota), lambda: writing.write_quota(quota, until, fault))


def _note_refused(provider: str, credential: str, fault: Fault, secret: Secret | None) -> None:
    with here.lock:
        if (provider, credential) in here.not_ready:
            return
        reason = f"{fault.http_status or fault.kind}: {fault.message}"[:300]
        here.not_ready[provider, credential] = reason
        here.changed(
            ("credential", provider, credential),
            lambda: writing.write_refused(provider, credential, reason, fault.http_status, secret),
        )
