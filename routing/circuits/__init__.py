"""What rests and what is broken, shared by all processes: in memory at once, in PostgreSQL right behind.

`note` is called on the way of every answer and never waits: it changes this process's view and remembers what to write. The thread of
`routing.snapshot` calls `write_pending`, `claim_probes` and `load`. While PostgreSQL is away the local view stands, and is written when it is back.

A circuit opens by what one process saw (5 in a row, or half of 20 in 30 s), or by what all saw together: the failures in a row, added up in
its row, while no process had an answer between; and the last 30 s of each process (`windows`).
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from django.db import transaction

from routing.audit import Actor
from routing.circuits import windows, writing
from routing.circuits.noting import chance, count_failure, note, note_answer, turn
from routing.circuits.probes import claim_probes, give_back, may_probe, want_probe
from routing.circuits.shared import Streak
from routing.circuits.shared import here as _shared
from routing.circuits.windows import prune
from routing.circuits.writing import Cooling, Served
from routing.models import Circuit as CircuitRow
from routing.models import Cooldown
from routing.policy import circuit as machine
from routing.policy.circuit import Circuit
from routing.policy.health import Broken, Rest
from routing.policy.retries import Retries
from routing.terms.candidate import Candidate
from routing.terms.words import CircuitState
from routing.versions import bump_state

__all__ = [
    "broken",
    "claim_probes",
    "cooldowns",
    "forget",
    "give_back",
    "is_failing",
    "load",
    "may_probe",
    "not_ready",
    "note",
    "note_answer",
    "on_change",
    "prune",
    "reset",
    "retries",
    "version",
    "want_probe",
    "write_pending",
]


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
    _shared.begin()


def is_failing(candidate: Candidate) -> bool:
    """Whether the model failed when this process last asked it."""
    circuit = _shared.circuits.get((candidate.provider, candidate.model))
    return circuit is not None and (circuit.failures > 0 or circuit.is_open)


def retries() -> Retries:
    """This process's budget of failed fallbacks."""
    return _shared.retries


def write_pending() -> int:
    """Write what is known here and not there; how many. Raises what PostgreSQL raises, and then keeps the rest for later."""
    done = 0
    _share_streaks()
    _share_windows(datetime.now(UTC))
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
            count_failure(served, replace(mine, failures=total - 1), streak.fault, streak.cooldown_s, now)


def _share_windows(now: datetime) -> None:
    """Open what half of the calls of all processes together have failed at."""
    for served in windows.share(_shared, now):
        with _shared.lock:
            mine, last = _shared.circuits.get(served) or Circuit(), _shared.last.get(served)
            if not mine.is_open and last is not None:
                after = machine.opened(mine, now, cooldown_s=last.cooldown_s, chance=chance())
                turn(served, mine, after, last.fault, now)


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
