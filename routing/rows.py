"""Calls, attempts and work items as rows. The drain and imports write them here; nothing else does.

Rows go by COPY into staging tables and from there in three statements, so that a batch of any size costs the same few round trips. Writing the
same rows again changes nothing; rows that say `unknown` give way to rows that know, and a call to its own outcome of more attempts: a second
opinion came behind its answer.
"""

# ruff: noqa: S608 - statements are put together of our own column names alone

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import CharField

from routing.models import Attempt, Call
from routing.policy.pins import IDLE

CALL_COLUMNS = tuple(str(field.column) for field in Call._meta.concrete_fields if field.name != "created_at")
ATTEMPT_COLUMNS = tuple(str(field.column) for field in Attempt._meta.concrete_fields)
_INT4 = 2**31 - 1
SEEN_EVERY = timedelta(minutes=5)  # a session's last call is noted no oftener
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\x00": None})
_WIDTHS = {
    field.column: field.max_length
    for model in (Call, Attempt)
    for field in model._meta.concrete_fields
    if isinstance(field, CharField)
}


@dataclass(frozen=True, slots=True)
class Costs:
    """What some of the written rows have cost, by all that a budget may be of: a call's four, or an attempt's provider."""

    began_at: datetime  # when the calls began, to the quarter of an hour: in no zone does a month begin within one
    names: tuple[tuple[str, str], ...]  # ("client", "ci") …
    simulated: bool
    usd: Decimal


@dataclass(frozen=True, slots=True)
class Written:
    calls: int  # rows that are new, or now know what became of them
    attempts: int
    items: int
    costs: tuple[Costs, ...] = ()


def stage(cursor: CursorWrapper) -> None:
    """Empty staging tables of this connection."""
    cursor.execute("SET LOCAL jit = off")  # compiling these statements takes longer than running them
    for name in ("call", "attempt"):
        cursor.execute(
            f"CREATE TEMP TABLE IF NOT EXISTS staged_{name} (LIKE routing_{name} INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"
        )
        cursor.execute(f"DELETE FROM staged_{name}")


def copy(cursor: CursorWrapper, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Stream rows into a table. Text is cleaned of what PostgreSQL refuses: NUL and lone surrogates."""
    copy_lines(cursor, table, columns, ("\t".join(map(_field, row)) for row in rows))


def copy_lines(cursor: CursorWrapper, table: str, columns: Sequence[str], lines: Iterable[str]) -> None:
    """Stream lines of COPY's own text format into a table."""
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    lines = iter(lines)
    with connection.wrap_database_errors, cursor.copy(statement) as stream:  # COPY goes past Django's own wrapping
        while part := "\n".join(islice(lines, 2_000)):
            stream.write(f"{part}\n".encode("utf-8", "replace"))


def _field(value: Any) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, str):
        return value.translate(_ESCAPES)
    if value is True or value is False:
        return "t" if value else "f"
    return str(value)


def as_json(value: Any) -> str:
    """JSON that jsonb takes: no NUL, no lone surrogate."""
    return json.dumps(_clean(value), ensure_ascii=False, separators=(",", ":"))


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_clean(key): _clean(part) for key, part in value.items()}
    return [_clean(part) for part in value] if isinstance(value, list | tuple) else value


def fitting(columns: Sequence[str], row: dict[str, Any]) -> tuple[Any, ...]:
    """The row in column order, text cut to its column's width and whole numbers to what an integer holds."""
    return tuple(_fit(column, row[column]) for column in columns)


def _fit(column: str, value: Any) -> Any:
    if isinstance(value, str):
        return value[: _WIDTHS.get(column)]
    if isinstance(value, int) and not isinstance(value, bool):
        return min(value, _INT4)
    return value


def write(cursor: CursorWrapper, calls: Sequence[Sequence[Any]], attempts: Sequence[Sequence[Any]]) -> Written:
    """Write calls (in the order of CALL_COLUMNS), their attempts (ATTEMPT_COLUMNS) and the work items they open. Inside a transaction."""
    stage(cursor)
    copy(cursor, "staged_call", CALL_COLUMNS, calls)
    copy(cursor, "staged_attempt", ATTEMPT_COLUMNS, attempts)
    return write_staged(cursor)


def write_staged(cursor: CursorWrapper) -> Written:
    """Write what the staging tables hold; see `write`."""
    _make_months(cursor)
    calls, of_calls = _upsert(cursor, _UPSERT_CALLS, _OF_CALL)
    attempts, of_attempts = _upsert(cursor, _UPSERT_ATTEMPTS, ("provider",))
    cursor.execute(_UPSERT_ITEMS)
    items = cursor.rowcount
    cursor.execute(_SEEN_ITEMS, [IDLE.total_seconds(), SEEN_EVERY.total_seconds()])
    _mark_nights(cursor)
    return Written(calls, attempts, items, (*of_calls, *of_attempts))


def _upsert(cursor: CursorWrapper, statement: str, names: Sequence[str]) -> tuple[int, list[Costs]]:
    """How many rows were written, and what they cost. Only those: a row that was there before has been counted before."""
    cursor.execute(statement)
    written, costs = 0, []
    for rows, cost, began_at, simulated, *values in cursor.fetchall():
        written += rows
        if cost:
            costs.append(Costs(began_at, tuple(zip(names, values, strict=True)), simulated, cost))
    return written, costs


def _make_months(cursor: CursorWrapper) -> None:
    """Make the partitions that are missing. Looks before it locks: another writer may hold the lock for a whole import."""
    cursor.execute(
        "SELECT month, to_regclass('routing_call_' || to_char(month, 'YYYY_MM')) IS NULL"
        " FROM (SELECT DISTINCT date_trunc('month', started_at AT TIME ZONE 'UTC')::date AS month FROM ("
        "   SELECT to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0) AS started_at"
        "   FROM staged_call) AS times) AS months"
    )
    for month, is_missing in cursor.fetchall():
        if is_missing:
            cursor.execute("SELECT routing_partition(%s)", [month])


def _mark_nights(cursor: CursorWrapper) -> None:
    """Staged calls of earlier days came late: the nights on which they count, and their items may close, are to be run again.

    Looks for nights that have run only now, after the rows are written: a night that begins meanwhile waits for this transaction.
    """
    cursor.execute("SELECT EXISTS (SELECT FROM routing_jobrun WHERE job = 'nightly')")
    if not cursor.fetchone()[0]:
        return
    cursor.execute(
        "SELECT DISTINCT day::date FROM staged_call c JOIN routing_workitem i ON i.id = c.item_id"
        " LEFT JOIN routing_tasktype t ON t.slug = c.task_type"
        " CROSS JOIN LATERAL (SELECT (i.opened_at AT TIME ZONE 'UTC')::date AS opened) AS o"
        " CROSS JOIN LATERAL (SELECT (c.started_at AT TIME ZONE 'UTC')::date AS day"
        "   UNION ALL SELECT generate_series(opened, opened + coalesce(t.label_horizon_days, 2), interval '1 day')) AS days"
        " WHERE c.started_at < date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'"
    )
    mark_dirty(cursor, [day for (day,) in cursor.fetchall()])


def mark_dirty(cursor: CursorWrapper, nights: Iterable[date]) -> None:
    """Have these nights (UTC days) run again, if they have run already."""
    keys = sorted({night.isoformat() for night in nights})
    if keys:
        cursor.execute(
            "UPDATE routing_jobrun SET dirty = true WHERE job = 'nightly' AND NOT dirty AND key = ANY(%s)", [keys]
        )


def night_of(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def _updates(columns: Sequence[str], keys: Sequence[str]) -> str:
    return ", ".join(f"{column} = excluded.{column}" for column in columns if column not in keys)


_OF_CALL = ("client", "key_prefix", "project", "task_type")
_QUARTER = "date_bin('15 minutes', to_timestamp(('x' || left(replace({id}::text, '-', ''), 12))::bit(48)::bigint / 1000.0), 'epoch')"

# An outcome that replaces a shorter one adds what it costs more.
_UPSERT_CALLS = f"""
WITH old AS (SELECT id, cost_usd AS old_usd FROM routing_call WHERE id IN (SELECT id FROM staged_call)), written AS (
INSERT INTO routing_call ({", ".join(CALL_COLUMNS)})
SELECT DISTINCT ON (id) {", ".join(CALL_COLUMNS)} FROM staged_call ORDER BY id, status = 'unknown', attempts_count DESC
ON CONFLICT (id) DO UPDATE SET {_updates(CALL_COLUMNS, ["id"])}
WHERE excluded.status <> 'unknown' AND (routing_call.status = 'unknown'
   OR NOT excluded.imported AND NOT routing_call.imported AND excluded.attempts_count > routing_call.attempts_count)
RETURNING id, cost_usd, simulated, {", ".join(_OF_CALL)})
SELECT count(*), sum(cost_usd - coalesce(old_usd, 0)), {_QUARTER.format(id="id")} AS began_at, simulated, {", ".join(_OF_CALL)}
FROM written LEFT JOIN old USING (id) GROUP BY began_at, simulated, {", ".join(_OF_CALL)}
"""

# With a client's own credential it is not our money that a provider gets.
_UPSERT_ATTEMPTS = f"""
WITH written AS (
INSERT INTO routing_attempt ({", ".join(ATTEMPT_COLUMNS)})
SELECT DISTINCT ON (call_id, attempt) {", ".join(ATTEMPT_COLUMNS)} FROM staged_attempt
ORDER BY call_id, attempt, status = 'unknown'
ON CONFLICT (call_id, attempt) DO UPDATE SET {_updates(ATTEMPT_COLUMNS, ["call_id", "attempt"])}
WHERE routing_attempt.status = 'unknown' AND excluded.status <> 'unknown'
RETURNING call_id, cost_usd, simulated, provider, credential_kind)
SELECT count(*), sum(cost_usd) FILTER (WHERE credential_kind <> 'caller'), {_QUARTER.format(id="call_id")} AS began_at, simulated, provider
FROM written GROUP BY began_at, simulated, provider
"""

_ITEM = {
    "id": "c.item_id",
    "first_call_id": "c.id",
    "opened_at": "c.started_at",
    "task_type": "c.task_type",
    "client": "c.client",
    "session": "c.session",
    "model": "a.provider || ':' || a.model",
    "role": "a.role",
    "propensity": "a.propensity",
    "shares": "c.shares",
    "size": "c.size",
    "drawn": "c.drawn",
    "grading_p": "c.grading_p",
    "first_status": "a.status",
    "first_error": "a.error_kind",
    "first_total_ms": "c.total_ms",
    "simulated": "a.simulated",
    "imported": "c.imported",
    "definition_version": "coalesce(t.definition_version, 1)",
    "model_version": "coalesce(m.version, 1)",
    "scope": "c.project || CASE WHEN c.context = '' THEN '' ELSE '?' || c.context END",
    "seen_at": "CASE WHEN c.session <> '' AND NOT c.imported THEN c.started_at END",
}

# A shadow or a second opinion of its own never opens an item; a call that policy refused before any attempt has no arm.
_UPSERT_ITEMS = f"""
INSERT INTO routing_workitem AS item ({", ".join(_ITEM)})
SELECT DISTINCT ON (c.item_id) {", ".join(_ITEM.values())}
FROM staged_call c
JOIN staged_attempt a ON a.call_id = c.id
LEFT JOIN routing_tasktype t ON t.slug = c.task_type
LEFT JOIN routing_provider p ON p.slug = a.provider
LEFT JOIN routing_model m ON m.provider_id = p.id AND m.slug = a.model
WHERE c.role NOT IN ('shadow', 'second_opinion')
ORDER BY c.item_id, c.id, a.attempt, a.status = 'unknown'
ON CONFLICT (id) DO UPDATE SET {_updates(list(_ITEM), ["id"])}
WHERE excluded.first_call_id < item.first_call_id
   OR (excluded.first_call_id = item.first_call_id AND item.first_status = 'unknown' AND excluded.first_status <> 'unknown')
"""

# A session that was idle for too long stays so: what it began with holds it no more.
_SEEN_ITEMS = """
UPDATE routing_workitem i SET seen_at = s.seen_at
FROM (SELECT item_id, max(started_at) AS seen_at FROM staged_call WHERE session <> '' AND NOT imported GROUP BY item_id) AS s
WHERE i.id = s.item_id AND s.seen_at <= coalesce(i.seen_at, s.seen_at) + make_interval(secs => %s)
  AND s.seen_at > coalesce(i.seen_at + make_interval(secs => %s), '-infinity')
"""
