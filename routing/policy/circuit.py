"""The circuit of one model at one provider: stops calling what keeps failing, and finds out when it has healed.

Opens at 5 failures in a row, or when at least half of at least 20 calls of the last 30 s failed. Rests 10 s, doubling with each opening in a
row up to the route's `cooldown_s`; then one probe may go, over all workers, and its success closes the circuit.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from routing.terms.quick import quick
from routing.terms.words import CircuitState

IN_A_ROW = 5
WINDOW_S = 30
WINDOW_CALLS = 20
FIRST_REST_S = 10.0
JITTER = 0.1  # of the rest, so that the probes of many circuits do not meet

Second = tuple[int, int, int]  # (second since 1970, calls, failures)


@quick
@dataclass(frozen=True, slots=True)
class Circuit:
    state: CircuitState = CircuitState.CLOSED
    failures: int = 0  # in a row
    openings: int = 0  # in a row, without a success between
    retry_at: datetime | None = None  # when one probe may go
    recent: tuple[Second, ...] = ()  # the last 30 s, as this process saw them

    @property
    def is_open(self) -> bool:
        return self.state is not CircuitState.CLOSED


def succeeded(circuit: Circuit, now: datetime) -> Circuit:
    """The circuit after an answer. Any answer closes it: a provider that answers is up."""
    if circuit.is_open:
        return Circuit()
    return Circuit(recent=_counted(circuit.recent, now, failed=False))


def failed(circuit: Circuit, now: datetime, *, cooldown_s: float, chance: float) -> Circuit:
    """The circuit after a failure. `chance` in [0, 1) spreads the next probe.

    A failure that arrives while it is open (a call that was on its way) does not extend the rest; a failed probe does.
    """
    if circuit.state is CircuitState.OPEN:
        return circuit
    if circuit.state is CircuitState.HALF_OPEN:
        return opened(circuit, now, cooldown_s=cooldown_s, chance=chance)
    recent = _counted(circuit.recent, now, failed=True)
    counted = replace(circuit, failures=circuit.failures + 1, recent=recent)
    if counted.failures >= IN_A_ROW or is_bad(*recent_of(counted, now)):
        return opened(counted, now, cooldown_s=cooldown_s, chance=chance)
    return counted


def probing(circuit: Circuit) -> Circuit:
    """The circuit while its probe is on the way."""
    return replace(circuit, state=CircuitState.HALF_OPEN)


def rest_s(openings: int, cooldown_s: float) -> float:
    """Seconds without a call after the n-th opening in a row: 10, 20, 40 … at most `cooldown_s`."""
    doubled = FIRST_REST_S * 2.0 ** min(max(openings - 1, 0), 30)
    return min(doubled, max(cooldown_s, 0.0))


def opened(circuit: Circuit, now: datetime, *, cooldown_s: float, chance: float) -> Circuit:
    """The circuit open once more, until `chance` and a rest that grows with each opening in a row."""
    openings = circuit.openings + 1
    seconds = rest_s(openings, cooldown_s) * (1 + JITTER * chance)
    return Circuit(CircuitState.OPEN, circuit.failures, openings, now + timedelta(seconds=seconds))


def is_bad(calls: int, failures: int) -> bool:
    """Whether so many failures of so many calls in 30 s open a circuit."""
    return calls >= WINDOW_CALLS and 2 * failures >= calls


def recent_of(circuit: Circuit, now: datetime) -> tuple[int, int]:
    """(calls, failures) of the last 30 s, as this process saw them."""
    seconds = _fresh(circuit.recent, int(now.timestamp()))
    return sum(calls for _, calls, _ in seconds), sum(failures for _, _, failures in seconds)


def _counted(recent: tuple[Second, ...], now: datetime, *, failed: bool) -> tuple[Second, ...]:
    second = int(now.timestamp())
    kept = recent if recent and recent[0][0] > second - WINDOW_S else _fresh(recent, second)
    if kept and kept[-1][0] == second:
        _, calls, failures = kept[-1]
        return (*kept[:-1], (second, calls + 1, failures + failed))
    return (*kept, (second, 1, int(failed)))


def _fresh(recent: tuple[Second, ...], second: int) -> tuple[Second, ...]:
    return tuple(each for each in recent if each[0] > second - WINDOW_S)
