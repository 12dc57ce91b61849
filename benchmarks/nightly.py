"""One night of a million new rows, on small and on large history: seconds, CPU seconds, and the peak memory of the process that runs it.

CPU seconds are those of the process and of the server's process that works for it, where that runs on this machine; its parallel workers'
are not among them. They and the load tell what the seconds would be on a quiet machine.

Rows are generated inside PostgreSQL, straight into the tables, in a database of their own that is dropped afterwards. The server is that of
DATABASE_URL (the trial's when there is none).

    python -m benchmarks.nightly --out benchmarks/results/nightly.json
"""

import argparse
import datetime as dt
import json
import multiprocessing
import os
import resource
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from benchmarks.machine import MACHINE

NAME = "cortex_bench_nightly"
FIRST = dt.date(2026, 1, 1)
TASKS, CHALLENGERS = 20, 3

FILL = """
CREATE TEMP TABLE made AS
SELECT ((lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0')) || '7' || substr(md5(i || ':' || %(day)s), 1, 3) || '8'
        || substr(md5(i || '/' || %(day)s), 1, 15))::uuid AS id,
       at, 'task-' || (i %% %(tasks)s) AS task, arm, length, good, failed
FROM (
    SELECT i, %(day)s::timestamptz + (i * 86400.0 / %(n)s) * interval '1 second' AS at,
           CASE WHEN random() < 0.9 THEN 0 ELSE 1 + floor(random() * %(challengers)s)::int END AS arm,
           (200 + 3000 * random() ^ 3)::int AS length, random() < 0.9 AS good, random() < 0.005 AS failed
    FROM generate_series(1, %(n)s) AS i
) AS drawn;

INSERT INTO routing_call (id, external_id, started_at, finished_at, status, error_code, task_type, project, client, key_prefix, wire, session,
    item_id, size, shares, draw, drawn, grading_p, role, propensity, route_revision, candidates, requested_model, routed_model, served_model,
    would_route, used_fallback, background, stream, simulated, imported, reason, metadata, attempts_count, input_tokens, output_tokens,
    ttft_ms, total_ms, cost_usd)
SELECT id, '', at, at, CASE WHEN failed THEN 'error' ELSE 'ok' END, '', task, '', 'bench', '', 'native', '', id, length, %(shares)s, 0.5,
    true, 1, CASE WHEN arm = 0 THEN 'primary' ELSE 'explore' END, CASE WHEN arm = 0 THEN 0.9 ELSE 0.1 / %(challengers)s END, 1, '[]', '',
    'bench:m' || arm, 'bench:m' || arm, '', false, false, true, false, false, '', '{}', 1, length, length / 4,
    (100 + length / 10), (300 + length), length * 0.000001 * (arm + 1)
FROM made;

INSERT INTO routing_attempt (call_id, attempt, started_at, provider, model, upstream_id, served_model, credential, credential_kind, role,
    propensity, route_revision, status, error_kind, error_message, input_tokens, output_tokens, ttft_ms, total_ms, cost_usd, price,
    simulated, thinking, provider_request_id)
SELECT id, 1, at, 'bench', 'm' || arm, '', '', '', 'none', CASE WHEN arm = 0 THEN 'primary' ELSE 'explore' END,
    CASE WHEN arm = 0 THEN 0.9 ELSE 0.1 / %(challengers)s END, 1, CASE WHEN failed THEN 'error' ELSE 'ok' END,
    CASE WHEN failed THEN 'timeout' ELSE '' END, '', length, length / 4, (100 + length / 10), (300 + length),
    length * 0.000001 * (arm + 1), '', false, '', ''
FROM made;

INSERT INTO routing_workitem (id, first_call_id, opened_at, task_type, client, session, model, role, propensity, shares, size, drawn,
    grading_p, first_status, first_error, first_total_ms, simulated, imported, definition_version, model_version)
SELECT id, id, at, task, 'bench', '', 'bench:m' || arm, CASE WHEN arm = 0 THEN 'primary' ELSE 'explore' END,
    CASE WHEN arm = 0 THEN 0.9 ELSE 0.1 / %(challengers)s END, %(shares)s, length, true, 1,
    CASE WHEN failed THEN 'error' ELSE 'ok' END, CASE WHEN failed THEN 'timeout' ELSE '' END, 300 + length, false, false, 1, 1
FROM made;

INSERT INTO routing_label (item_id, source, verdict, comment, by, observed_at, received_at)
SELECT id, 'validators', CASE WHEN good THEN 'good' ELSE 'bad' END, '', '', at, at FROM made WHERE NOT failed;

DROP TABLE made;
"""


def fill(day: dt.date, n: int) -> None:
    """A night of n calls: items, attempts and labels, a tenth of them explored."""
    from django.db import connection

    explored = 0.1 / CHALLENGERS
    shares = ",".join(["bench:m0=0.9", *(f"bench:m{number}={explored:.6g}" for number in range(1, CHALLENGERS + 1))])
    values: dict[str, Any] = {"day": str(day), "n": n, "tasks": TASKS, "challengers": CHALLENGERS, "shares": shares}
    with connection.cursor() as cursor:
        cursor.execute("SELECT routing_partition(%s)", [day])
        for statement in FILL.split(";\n"):
            if statement.strip():
                cursor.execute(statement, values)


def settle() -> None:
    """Statistics as autovacuum would have them."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _night(url: str, day: dt.date, told: Any) -> None:
    """Run one night in this process, and tell what it took."""
    _setup(url)
    from django.db import connection

    from analytics import nightly

    connection.ensure_connection()
    server = connection.connection.info.backend_pid
    start, cpu_before = time.perf_counter(), _cpu_s(server)
    done = nightly.run_between(day, day)[0]
    told.put(
        {
            "seconds": round(time.perf_counter() - start, 2),
            "cpu_s": round(_cpu_s(server) - cpu_before, 2),
            "load": round(os.getloadavg()[0], 1),
            "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "items": done.items,
            "comparisons": done.comparisons,
        }
    )


def _cpu_s(server: int) -> float:
    """CPU seconds so far, of this process and of the server's."""
    own, stat = time.process_time(), Path(f"/proc/{server}/stat")
    if not stat.exists():
        return own
    ticks = stat.read_text().rpartition(")")[2].split()[11:13]  # user and system time
    return own + sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def measured(url: str, day: dt.date) -> dict[str, Any]:
    """One night in a process of its own."""
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    child = context.Process(target=_night, args=(url, day, told))
    child.start()
    result: dict[str, Any] = told.get(timeout=600)
    child.join()
    return result


def _setup(url: str) -> None:
    os.environ.update(
        DATABASE_URL=url, CORTEX_TRIAL="1", DJANGO_SETTINGS_MODULE="cortex.settings", CORTEX_LOG_LEVEL="WARNING"
    )
    import django

    django.setup()


def run(rows: int, nights: int) -> dict[str, Any]:
    """The last of `nights` nights of `rows` rows: after the first one, and after them all."""
    from cortex.environment import ensure_database

    ensure_database()
    import psycopg
    from django.core.management import call_command

    server = os.environ["DATABASE_URL"]
    url = urlunsplit(urlsplit(server)._replace(path=f"/{NAME}"))
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {NAME}")
    try:
        _setup(url)
        call_command("migrate", verbosity=0)
        results = []
        for number in range(nights):
            day = FIRST + dt.timedelta(days=number)
            fill(day, rows)
            settle()
            results.append({"rows_before": number * rows, **measured(url, day)})
        from django.db import connection

        connection.close()
    finally:
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
    return {
        "machine": MACHINE,
        "rows_a_night": rows,
        "task_types": TASKS,
        "pairs": TASKS * CHALLENGERS,
        "nights": results,
    }


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument(
        "--nights", type=int, default=4, help="the first runs on an empty history, the last on all before it"
    )
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    result = run(given.rows, given.nights)
    for night in result["nights"]:
        took = f"{night['seconds']} s ({night['cpu_s']} s CPU, load {night['load']}), {night['peak_mb']} MB"
        print(f"{night['items']:,} new rows on {night['rows_before']:,}: {took}")
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
