"""How fast calls come in: microseconds a spool line, rows a second through the drain and through an import; what the drain takes of a processor.

In a database and a spool of their own, both removed afterwards. The server is that of DATABASE_URL (the trial's when there is none).

    python -m benchmarks.ingest --out benchmarks/results/ingest.json
"""

import argparse
import datetime as dt
import io
import itertools
import json
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from benchmarks.machine import MACHINE

NAME = "cortex_bench_ingest"
PASS = 240  # what lies there after a tenth of a second of 2,400 calls a second
HEADER = "ts,task_type,provider,model,role,propensity,input_tokens,output_tokens,ttft_ms,total_ms,success,cost_usd,request_id,attempt,size,client"


def recorded(folder: Path, calls: int) -> dict[str, Any]:
    """Microseconds to encode and write each of the two lines of a call."""
    from routing.recorder import Spool

    intents, outcomes = _calls(calls)
    spool = Spool(folder)
    starts = _timed(lambda: deque(map(spool.start, intents), maxlen=0))
    finishes = _timed(lambda: deque(map(spool.finish, outcomes), maxlen=0))
    spool.close()
    return {"start_us": round(starts / calls * 1e6, 1), "finish_us": round(finishes / calls * 1e6, 1)}


def drained(folder: Path, calls: int) -> dict[str, Any]:
    """All that lies there in one pass."""
    from routing import drain

    with drain.held_lock(folder):
        cpu = Cpu()
        seconds = _timed(lambda: drain.drain_folder(folder))
        cpu.end()
    return {"calls": calls, "seconds": round(seconds, 2), "calls_per_s": round(calls / seconds), **cpu.told(calls)}


def drained_in_passes(folder: Path, calls: int) -> dict[str, Any]:
    """Behind a process that goes on recording, PASS calls at a time. The recording is not counted."""
    from routing import drain
    from routing.recorder import Spool

    spool, cpu, passes = Spool(folder), Cpu(), calls // PASS
    with drain.held_lock(folder):
        for _ in range(passes):
            intents, outcomes = _calls(PASS)
            deque(map(spool.start, intents), maxlen=0)
            deque(map(spool.finish, outcomes), maxlen=0)
            cpu.begin()
            drain.drain_folder(folder)
            cpu.end()
    spool.close()
    return {"calls": passes * PASS, "calls_a_pass": PASS, **cpu.told(passes * PASS)}


class Cpu:
    """Processor time of this process and of its PostgreSQL backend, which runs on this machine."""

    def __init__(self) -> None:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            self._stat = Path(f"/proc/{cursor.fetchone()[0]}/schedstat")
        self._sums = [0, 0]
        self.begin()

    def begin(self) -> None:
        self._began = self._now()

    def end(self) -> None:
        self._sums = [done + now - began for done, now, began in zip(self._sums, self._now(), self._began, strict=True)]
        self._began = self._now()

    def told(self, calls: int) -> dict[str, float]:
        drain, postgres = (round(spent / calls / 1e3, 1) for spent in self._sums)
        return {"drain_cpu_us": drain, "postgres_cpu_us": postgres}

    def _now(self) -> tuple[int, int]:
        return time.process_time_ns(), int(self._stat.read_text().split()[0])


def imported(rows: int) -> dict[str, Any]:
    """A CSV file of so many graded first attempts over 90 days, on empty tables; then the same file again."""
    from routing import imports

    start = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
    lines = [HEADER]
    for i in range(rows):
        at = (start + dt.timedelta(seconds=i * 90 * 86_400 / rows)).isoformat()
        explored = i % 10 == 0
        lines.append(
            f"{at},task-{i % 12},bench,{'new' if explored else 'old'},{'explore' if explored else 'primary'},{0.1 if explored else 0.9},"
            f"{100 + i % 900},{10 + i % 90},{200 + i % 500},{900 + i % 3000},{int(i % 7 > 0)},0.00{1000 + i % 9000},bench-{i},1,{100 + i % 900},ci"
        )
    content = "\n".join(lines).encode()
    first = _timed(lambda: imports.load(io.BytesIO(content), "bench.csv"))
    again = _timed(lambda: imports.load(io.BytesIO(content), "bench.csv"))
    return {
        "rows": rows,
        "seconds": round(first, 2),
        "rows_per_s": round(rows / first),
        "again_rows_per_s": round(rows / again),
    }


START = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
_count = itertools.count()


def _calls(n: int) -> tuple[list[Any], list[Any]]:
    from routing.terms.ids import uuid7
    from routing.terms.record import AttemptRecord, Intent, Outcome
    from routing.terms.request import Usage
    from routing.terms.words import CredentialKind, Role, Status

    intents, outcomes = [], []
    for _ in range(n):
        now = START + next(_count) * dt.timedelta(microseconds=417)
        call = uuid7(now)
        intents.append(
            Intent(
                id=call, started_at=now, task_type="code_generation", client="ci", key_prefix="ck_ab12", wire="native",
                route_revision=3, requested_model="", routed_model="anthropic:sonnet",
                candidates=("anthropic:sonnet", "openai:codex"), role=Role.PRIMARY, propensity=0.9,
                shares="anthropic:haiku=0.1,anthropic:sonnet=0.9", draw=0.25, item=call, session="", size=300, drawn=True,
                grading_p=1.0, reason="route: code_generation → sonnet",
            )
        )  # fmt: skip
        attempt = AttemptRecord(
            attempt=1, provider="anthropic", model="sonnet", upstream_id="claude-sonnet-5", served_model="claude-sonnet-5",
            credential="main", credential_kind=CredentialKind.API_KEY, role=Role.PRIMARY, propensity=0.9, status=Status.OK,
            started_at=now, http_status=200, usage=Usage(1000, 50, 900), total_ms=480, cost_usd=Decimal("0.00345"),
            price="genai-prices",
        )  # fmt: skip
        outcomes.append(Outcome(id=call, finished_at=now, status=Status.OK, attempts=(attempt,)))
    return intents, outcomes


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def run(calls: int, rows: int) -> dict[str, Any]:
    from cortex.environment import ensure_database

    ensure_database()
    import psycopg

    server = os.environ["DATABASE_URL"]
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {NAME}")
    try:
        os.environ.update(
            DATABASE_URL=urlunsplit(urlsplit(server)._replace(path=f"/{NAME}")),
            CORTEX_TRIAL="1",
            CORTEX_LOG_LEVEL="WARNING",
            DJANGO_SETTINGS_MODULE="cortex.settings",
        )
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connection

        call_command("migrate", verbosity=0)
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "spool" / "host"
            result = {
                "machine": MACHINE,
                "recorder": recorded(folder, calls),
                "drain": drained(folder, calls),
                "drain_in_passes": drained_in_passes(folder, calls),
                "import": imported(rows),
            }
        connection.close()
    finally:
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
    return result


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    result = run(given.calls, given.rows)
    print(f"recorder: {result['recorder']['start_us']} µs an intent, {result['recorder']['finish_us']} µs an outcome")
    print(f"drain: {result['drain']['calls_per_s']:,} calls/s")
    for name, what in (("drain", "at once"), ("drain_in_passes", f"in passes of {PASS}")):
        took = result[name]
        print(
            f"drain {what}: {took['drain_cpu_us']} µs of a processor a call, and {took['postgres_cpu_us']} of PostgreSQL's backend"
        )
    print(
        f"import: {result['import']['rows_per_s']:,} rows/s; the same file again: {result['import']['again_rows_per_s']:,}"
    )
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
