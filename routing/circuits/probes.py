"""The one call that finds out whether a broken model has healed, over all processes."""

from dataclasses import replace
from datetime import datetime, timedelta

from routing.circuits import writing
from routing.circuits.shared import here
from routing.circuits.writing import Served
from routing.policy import circuit as machine
from routing.terms.candidate import Candidate
from routing.terms.words import CircuitState

IDLE_CLAIM_S = 2.0  # a worker without calls leaves the probe that long to those who have some


def may_probe(candidate: Candidate) -> bool:
    """Whether this call may go to the model: its circuit is closed, or this call is the one probe."""
    served = (candidate.provider, candidate.model)
    circuit = here.circuits.get(served)
    if circuit is None or not circuit.is_open:
        return True
    with here.lock:
        if served not in here.probes:
            return False
        here.probes.discard(served)
        here.circuits[served] = machine.probing(circuit)
        here.version += 1
    return True


def give_back(candidate: Candidate) -> None:
    """If this call was the probe, it brought no news of the model: let any process send another."""
    served = (candidate.provider, candidate.model)
    circuit = here.circuits.get(served)
    if circuit is None or circuit.state is not CircuitState.HALF_OPEN:
        return
    with here.lock:
        here.circuits[served] = replace(circuit, state=CircuitState.OPEN)
        here.wanted.add(served)
        here.changed(("probe", *served), lambda: writing.free_probe(served))


def want_probe(served: Served) -> None:
    """A call would have gone there: claim the probe as soon as it may be sent."""
    if served not in here.wanted:
        here.wanted.add(served)
        here.wake()


def claim_probes(now: datetime, *, alone: bool = False) -> None:
    """Take the probe of every circuit that may be tried again, where no other process holds it. `alone`: PostgreSQL cannot be asked."""
    with here.lock:
        due = [
            served
            for served, circuit in here.circuits.items()
            if circuit.is_open and circuit.retry_at and circuit.retry_at <= now and served not in here.probes
            if served in here.wanted or circuit.retry_at + timedelta(seconds=IDLE_CLAIM_S) <= now
        ]
    for served in due:
        if alone or writing.claim(served, now):
            with here.lock:
                here.probes.add(served)
                here.wanted.discard(served)
                here.version += 1
