"""One process's view of what rests and what is broken."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from routing.circuits.writing import Cooling, Served
from routing.policy.circuit import Circuit
from routing.policy.health import Rest
from routing.policy.retries import Retries
from routing.terms.fault import Fault
from routing.terms.ids import process_name

Write = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Streak:
    """Failures of a model since this process last had an answer of it, or last counted them in its row."""

    failures: int
    fault: Fault  # the last
    cooldown_s: float


class Shared:
    """One process's view, guarded by one lock that is never held while anything is waited for."""

    def __init__(self) -> None:
        self.version = 0  # moves with every change that a plan could notice
        self.wake: Callable[[], None] = lambda: None  # of the thread that writes
        self.begin()

    def begin(self) -> None:
        """Know nothing."""
        self.lock = threading.Lock()
        self.version += 1
        self.cooldowns: dict[Cooling, Rest] = {}
        self.circuits: dict[Served, Circuit] = {}
        self.not_ready: dict[tuple[str, str], str] = {}
        self.probes: set[Served] = set()  # that this process may send
        self.wanted: set[Served] = set()  # that its calls would have sent
        self.unwritten: dict[tuple[str, ...], Write] = {}
        self.streaks: dict[Served, Streak] = {}
        self.answered: set[Served] = set()  # since the streaks were last counted
        self.last: dict[Served, Streak] = {}  # the last failure of each, whatever came after it
        self.told: dict[
            Served, tuple[int, int, float]
        ] = {}  # (calls, failures, when) of the last 30 s, as others know it
        self.watched: set[Served] = set()  # that failed in other processes in the last 30 s
        self.retries = Retries()
        self.process = process_name()

    def changed(self, key: tuple[str, ...], write: Write) -> None:
        self.version += 1
        self.unwritten[key] = write
        self.wake()


here = Shared()
