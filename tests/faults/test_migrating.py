"""Migrations while calls are made, on a million of each row: no call fails, each is recorded, and nobody waits long for a lock.

Two ways to stand in for the versions that people come from. Before the last migration today's code serves whole. From far back a worker of today
answers of what it had read before, and its spool waits for the columns; an older version's statements go on beside it.
"""

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from routing.models import Attempt, Call, WorkItem
from tests.cortex.backups import elsewhere, source  # noqa: F401
from tests.cortex.processes import Managed
from tests.faults.life import WAITS_S, Load, served
from tests.remembered import forget

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.soak]

ROWS = 1_000_000
LOCKED_S = 2.0  # that anybody may wait for a lock
BEYOND = 250  # answers before and after the migrations

# Rows of the first version, over the last thirty days: a UUIDv7's first 48 bits are milliseconds.
CALLS = """
INSERT INTO routing_call (id, external_id, started_at, status, error_code, task_type, project, client, key_prefix, wire, session, item_id,
    size, shares, drawn, grading_p, role, route_revision, candidates, requested_model, routed_model, served_model, would_route,
    used_fallback, background, stream, simulated, imported, reason, metadata, attempts_count)
SELECT id, '', at, 'ok', '', 'talk', '', 'old', 'ck_old1', 'native', '', id, 300, '', true, 1,
    CASE WHEN g % 10 = 0 THEN 'observed' ELSE 'primary' END, 1, '["first:one"]', 'one', 'first:one', 'first:one', '',
    false, false, false, false, false, 'route: talk → one', '{}', 1
FROM ids
"""
ATTEMPTS = """
INSERT INTO routing_attempt (call_id, attempt, started_at, provider, model, upstream_id, served_model, credential, credential_kind, role,
    route_revision, status, error_kind, error_message, price, simulated, thinking, provider_request_id, input_tokens, output_tokens, cost_usd)
SELECT id, 1, at, 'first', 'one', 'one-1', 'one-1', 'main', 'api_key', 'primary', 1, 'ok', '', '', 'override 1', false, '', 'req_1', 900, 50, 0.00345
FROM ids
"""
ITEMS = """
INSERT INTO routing_workitem (id, first_call_id, opened_at, task_type, client, session, model, role, shares, size, drawn, grading_p,
    first_status, first_error, simulated, imported, definition_version, model_version)
SELECT id, id, at, 'talk', 'old', '', 'first:one', 'primary', '', 300, true, 1, 'ok', '', false, false, 1, 1
FROM ids
"""
IDS = """
CREATE TEMP TABLE ids ON COMMIT DROP AS
SELECT g, to_timestamp(ms / 1000.0) AS at,
    (lpad(to_hex(ms), 12, '0') || '7' || lpad(to_hex(g & 4095), 3, '0') || '8' || lpad(to_hex(g), 15, '0'))::uuid AS id
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS g
CROSS JOIN LATERAL (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint - (%(last)s - g) * 2592 AS ms) AS times
"""
# What an older version reads all the time.
READS = """
SELECT (SELECT count(*) FROM routing_provider) + (SELECT count(*) FROM routing_client) + (SELECT count(*) FROM routing_credential)
    + (SELECT count(*) FROM routing_alert) + (SELECT count(*) FROM routing_budget) + (SELECT count(*) FROM routing_batch)
    + (SELECT count(*) FROM (SELECT c.id FROM routing_call c JOIN routing_attempt a ON a.call_id = c.id ORDER BY c.id DESC LIMIT 50) AS calls)
"""
# How long somebody has waited for a lock. Not for the end of another's transaction: so waits CREATE INDEX CONCURRENTLY, and nobody behind it.
WAITING = """
SELECT extract(epoch FROM clock_timestamp() - waitstart)::float, locktype, mode, coalesce(relation::regclass::text, ''), application_name
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE NOT granted AND waitstart IS NOT NULL AND locktype <> 'virtualxid' AND datname = current_database()
ORDER BY 1 DESC LIMIT 1
"""


def write(there: "psycopg.Connection[Any]", first: int, last: int) -> None:
    """A call with its attempt and its item for each number, the last of them now, as the oldest version wrote them."""
    with there.transaction():
        there.execute(IDS, {"first": first, "last": last})
        for statement in (CALLS, ATTEMPTS, ITEMS):
            there.execute(statement)


def fill(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as there:
        there.execute(
            "SELECT routing_partition(day::date) FROM generate_series(now() - interval '31 days', now(), interval '1 day') AS day"
        )
        for first in range(0, ROWS, 100_000):
            write(there, first, first + 99_999)
        there.execute("ANALYZE routing_call, routing_attempt, routing_workitem")


@dataclass
class Watched:
    """What was seen of the database while it was migrated."""

    longest_s: float = 0.0  # that anybody waited for a lock
    by: tuple[Any, ...] = ()
    looks: int = 0
    slowest_s: float = 0.0  # transaction of the older version
    written: int = 0  # by it
    failed: list[str] = field(default_factory=list)  # of its transactions


@contextmanager
def watched(url: str) -> Iterator[Watched]:
    """Looks at the locks every 50 ms, and is an older version that writes and reads 50 times a second."""
    found, stop = Watched(), threading.Event()

    def look() -> None:
        with psycopg.connect(url, autocommit=True) as there:
            while not stop.wait(0.05):
                row = there.execute(WAITING).fetchone()
                found.looks += 1
                if row and row[0] > found.longest_s:
                    found.longest_s, found.by = row[0], row[1:]

    def work() -> None:
        with psycopg.connect(url, autocommit=True) as there:
            while not stop.wait(0.02):
                begun = time.monotonic()
                try:
                    write(there, ROWS + found.written, ROWS + found.written)
                    there.execute(READS)
                    found.written += 1
                except psycopg.Error as error:
                    found.failed.append(str(error))
                found.slowest_s = max(found.slowest_s, time.monotonic() - begun)

    threads = [threading.Thread(target=each) for each in (look, work)]
    for each in threads:
        each.start()
    try:
        yield found
    finally:
        stop.set()
        for each in threads:
            each.join()


@pytest.mark.parametrize("begins_at", ["0015_adoption", "0008_prices"])
def test_migrations_of_a_million_rows_stop_nobody(begins_at: str, settings: Any, tmp_path: Path) -> None:
    with elsewhere(settings, tmp_path / f"at_{begins_at[:4]}") as url:
        call_command("migrate", verbosity=0)
        forget()
        with served(tmp_path, workers=1) as there:
            call_command("migrate", "routing", begins_at, verbosity=0)
            fill(url)
            load = Load(there, clients=8, rate=50)
            with watched(url) as seen:
                try:
                    load.until_answered(BEYOND)
                    begun, answered = time.monotonic(), len(load.answered)
                    env = {"DATABASE_URL": url, "CORTEX_DATA_DIR": str(tmp_path), "CORTEX_TRIAL": "1"}
                    migrating = Managed("migrate", output=tmp_path / "migrated", env=env)
                    code = migrating.exit_code(WAITS_S)
                    took_s, meanwhile = time.monotonic() - begun, len(load.answered) - answered
                    load.until_answered(BEYOND)
                finally:
                    load.end()
            there.process.tell(signal.SIGTERM)
            assert there.process.exit_code(WAITS_S) == 0
            rows = there.drained()
        told = {"from": begins_at, "took_s": round(took_s, 1), "answered": len(load.answered), "meanwhile": meanwhile}
        print(json.dumps(told | {"longest_lock_s": round(seen.longest_s, 3), "by": seen.by, "looks": seen.looks}))
        print(
            json.dumps(
                {"older_version": seen.written, "slowest_s": round(seen.slowest_s, 3), "failed": seen.failed[:3]}
            )
        )
        print((tmp_path / "migrated").read_text())
        assert code == 0
        executor = MigrationExecutor(connection)
        assert executor.migration_plan(executor.loader.graph.leaf_nodes()) == []
        assert load.failed == seen.failed == []
        assert meanwhile > 0
        assert {rows.get(call) for call in load.answered} == {"ok"}
        assert Call.objects.count() == ROWS + seen.written + len(set(load.answered))
        assert Attempt.objects.count() == WorkItem.objects.count() == Call.objects.count()
        assert seen.longest_s <= LOCKED_S
        assert seen.slowest_s <= LOCKED_S
        assert seen.looks > 20 * took_s / 4  # it really looked
