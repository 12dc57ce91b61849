"""Half an hour in the life of a worker, or as long as is asked: nothing in it grows with the calls it has served.

`CORTEX_SOAK_MINUTES` says how long (30). What a process fills once (plans, pools, the SDKs, a heap's high-water mark) it fills in the first
part; from then on its memory must lie on a level line.
"""

import http.client
import json
import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from tests.cortex.processes import until
from tests.doubles import Act, script
from tests.faults.life import RELAYED, WAITS_S, WAYS, Load, Served, Way, served

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.soak]

MINUTES = float(os.environ.get("CORTEX_SOAK_MINUTES", "30"))
WARM = 0.3  # of the time: what is filled once is full
GROWS = 0.10  # of the memory, from the end of the warm-up to the end
# Of a worker whose bodies are small, without the SDKs and with both; the large bodies come and go.
RELAYS_MB, TRANSLATES_MB = 150, 210
LARGE = "x" * (8 * 1024 * 1024 - 10_000)
FAULTS: tuple[Act, ...] = (
    script.error(500, "api_error"),
    script.error(400, "invalid_request_error", "", "no"),
    Act(fault="disconnect", after=3),
    Act(fault="cut", after=3),
    Act(fault="malformed", after=1),
)


@dataclass
class Life:
    """What a process was seen to hold, once a second."""

    pid: int
    at: list[float] = field(default_factory=list)
    mb: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)

    def look(self) -> None:
        status = dict(
            line.split(":\t", 1) for line in Path(f"/proc/{self.pid}/status").read_text().splitlines() if ":\t" in line
        )
        self.at.append(time.monotonic())
        self.mb.append(int(status["VmRSS"].split()[0]) / 1024)
        self.threads.append(int(status["Threads"]))
        self.files.append(len(os.listdir(f"/proc/{self.pid}/fd")))

    def growth_mb(self) -> float:
        """From the end of the warm-up to the end, by the slope of a least-squares line through the half-minutes' minima."""
        begin, end = self.at[0], self.at[-1]
        lows: dict[int, float] = {}
        for at, mb in zip(self.at, self.mb, strict=True):
            if at - begin > WARM * (end - begin):
                part = int((at - begin) / (end - begin) * 60)
                lows[part] = min(mb, lows.get(part, mb))
        xs, ys = list(lows), list(lows.values())
        x, y = sum(xs) / len(xs), sum(ys) / len(ys)
        slope = sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum((a - x) ** 2 for a in xs)
        return slope * (xs[-1] - xs[0])

    def __str__(self) -> str:
        part = max(1, len(self.mb) // 12)
        return f"MB {[round(each) for each in self.mb[::part]]}, files {self.files[::part]}, threads {self.threads[::part]}"


class Trouble:
    """Beside a load: faults of the providers, clients that go away, and, where they are wanted, bodies of 8 MB."""

    def __init__(self, there: Served, *, large: bool) -> None:
        self._there, self._large, self._stop = there, large, threading.Event()
        self.made = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for number in count():
            if self._stop.wait(0.25):
                return
            way = WAYS[number % len(WAYS)]
            self._there.world.primary.will(FAULTS[number % len(FAULTS)])  # the fallback answers for it
            body = way.body | ({"metadata": {"n": str(number)}} if way.path == "/api/v1/dispatch" else {})
            if self._large and number % 20 == 0:
                body |= {"prompt": LARGE} if "prompt" in body else {"input": LARGE} if "input" in body else {}
            wire = self._there.connect()
            headers = {"X-Cortex-Key": self._there.key, "Content-Type": "application/json"}
            headers["X-Cortex-Session"] = f"session-{number}"
            try:
                wire.request("POST", way.path, json.dumps(body), headers)
                if number % 4:
                    wire.getresponse().read()
            except (OSError, http.client.HTTPException):
                pass  # a stream that broke off as its provider's did
            wire.close()  # every fourth goes away before its answer
            self.made += 1

    def end(self) -> None:
        self._stop.set()
        self._thread.join(WAITS_S)


def metric_lines(there: Served) -> int:
    wire = there.connect()
    wire.request("GET", "/metrics")
    lines = wire.getresponse().read().count(b"\n")
    wire.close()
    return lines


def lived(folder: Path, minutes: float, ways: Sequence[Way] = WAYS, *, large: bool = False) -> tuple[Life, list[int]]:
    """One worker under load for so long; how many metrics it told, over the time."""
    with served(folder, workers=1) as there:
        (worker,) = (pid for pid in there.workers() if b"cortex.worker" in Path(f"/proc/{pid}/cmdline").read_bytes())
        life, told = Life(worker), []
        load = Load(there, ways, rate=50, may_fail=True)
        trouble = Trouble(there, large=large) if ways is WAYS else None  # of a failed relay an SDK may take over
        try:
            end = time.monotonic() + minutes * 60
            while time.monotonic() < end:
                life.look()
                if len(life.at) % 10 == 0:
                    told.append(metric_lines(there))
                    for double in (there.world.primary, there.world.fallback):
                        double.requests.clear()  # the doubles live in this process
                time.sleep(1)
            assert len(load.answered) > 100
            assert trouble is None or trouble.made > 20
        finally:
            load.end()
            if trouble is not None:
                trouble.end()
        there.process.tell(signal.SIGTERM)
        assert there.process.exit_code(WAITS_S) == 0
        until(lambda: there.drained() is not None)
    return life, told


def check(life: Life, told: list[int]) -> None:
    print(life, "metrics", told[:: max(1, len(told) // 12)], "growth", round(life.growth_mb(), 1), "MB")
    warm = int(len(life.at) * WARM)
    assert life.growth_mb() <= GROWS * life.mb[warm], life
    assert max(life.files[warm:]) <= max(life.files[:warm]) + 10, life
    assert max(life.threads[warm:]) <= max(life.threads[:warm]) + 2, life
    assert told[-1] <= told[int(len(told) * WARM)] + 20, told


def test_a_worker_with_small_bodies_stays_within_its_memory(tmp_path: Path) -> None:
    life, told = lived(tmp_path, MINUTES)
    check(life, told)
    assert max(life.mb) <= TRANSLATES_MB, life


def test_a_worker_that_relays_alone_needs_less(tmp_path: Path) -> None:
    life, told = lived(tmp_path, MINUTES / 2, RELAYED)
    check(life, told)
    assert max(life.mb) <= RELAYS_MB, life


def test_large_bodies_come_and_go(tmp_path: Path) -> None:
    life, told = lived(tmp_path, MINUTES, large=True)
    check(life, told)
