"""Calls, attempts and work items as rows. The drain and imports write them here; nothing else does.

Rows of calls that are all new go by COPY into their tables; others into staging tables and from there in three statements, a quarter more work
of PostgreSQL. Either way a batch of any size costs the same few round trips. Writing the same rows again changes nothing; rows that say
`unknown` give way to rows that know, and a call to its own outcome of more attempts: a second opinion came behind its answer.
"""

# ruff: noqa: S608 - statements are put together of our own column names alone

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from operator import itemgetter
from typing import Any

from django.db.backends.utils import CursorWrapper
from django.db.models import CharField, Model

from routing.copying import copy, fields
from routing.models import Attempt, Call
from routing.policy.pins import IDLE

Row = Mapping[str, Any]  # a value for each column; JSON as text
SEEN_EVERY = timedelta(minutes=5)  # a session's last call is noted no oftener


def _widths(model: type[Model]) -> dict[str, int | None]:
    """The columns that we write, in order, and how much text each takes."""
    columns = (field for field in model._meta.concrete_fields if field.name != "created_at")
    return {str(field.column): field.max_length if isinstance(field, CharField) else None for field in columns}


_CALL, _ATTEMPT = _widths(Call), _widths(Attempt)
CALL_COLUMNS, ATTEMPT_COLUMNS = tuple(_CALL), tuple(_ATTEMPT)
# Of new calls and attempts: what follows from them.
_NEW_CALL = (
    "id", "started_at", "task_type", "project", "client", "key_prefix", "session", "item_id", "size", "shares", "drawn", "grading_p", "role",
    "simulated", "imported", "context", "total_ms", "cost_usd",
)  # fmt: skip
_NEW_ATTEMPT = (
    "call_id", "attempt", "provider", "model", "credential_kind", "role", "propensity", "status", "error_kind", "simulated", "cost_usd",
)  # fmt: skip
_OF_NEW_CALL = itemgetter(*map(CALL_COLUMNS.index, _NEW_CALL))
_OF_NEW_ATTEMPT = itemgetter(*map(ATTEMPT_COLUMNS.index, _NEW_ATTEMPT))


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
    _empty(
        cursor,
        *(
            f"staged_{name} (LIKE routing_{name} INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"
            for name in ("call", "attempt")
        ),
    )


def _empty(cursor: CursorWrapper, *tables: str) -> None:
    made = (f"CREATE TEMP TABLE IF NOT EXISTS {table}; DELETE FROM {table.split()[0]};" for table in tables)
    cursor.execute("SET LOCAL jit = off;" + "".join(made))  # compiling these statements takes longer than running them


def write(cursor: CursorWrapper, calls: Sequence[Row], attempts: Sequence[Row]) -> Written:
    """Write calls, their attempts and the work items they open. Inside a transaction. New calls cost less than known ones."""
    of_calls = [fields(_CALL, row) for row in calls]
    of_attempts = [fields(_ATTEMPT, row) for row in attempts]
    # A single call is staged: whatever COPY refuses is found by halving, and the last half shall have every chance.
    if len(calls) > 1 and _stage_new(cursor, of_calls, of_attempts):
        _make_months(cursor, "new")
        copy(cursor, "routing_call", CALL_COLUMNS, of_calls)
        copy(cursor, "routing_attempt", ATTEMPT_COLUMNS, of_attempts)
        return _follow(cursor, _NEW_CALLS, _NEW_ATTEMPTS, "new")
    stage(cursor)
    copy(cursor, "staged_call", CALL_COLUMNS, of_calls)
    copy(cursor, "staged_attempt", ATTEMPT_COLUMNS, of_attempts)
    return write_staged(cursor)


def _stage_new(cursor: CursorWrapper, calls: list[list[str]], attempts: list[list[str]]) -> bool:
    """Are these calls all new, and each there once? Stages what of them the statements behind the rows read."""
    ids = {call[0] for call in calls}
    if len(ids) < len(calls):
        return False
    _empty(
        cursor,
        f"new_call ON COMMIT DELETE ROWS AS SELECT {', '.join(_NEW_CALL)} FROM routing_call WITH NO DATA",
        f"new_attempt ON COMMIT DELETE ROWS AS SELECT {', '.join(_NEW_ATTEMPT)} FROM routing_attempt WITH NO DATA",
    )
    copy(cursor, "new_call", _NEW_CALL, map(_OF_NEW_CALL, calls))
    copy(cursor, "new_attempt", _NEW_ATTEMPT, map(_OF_NEW_ATTEMPT, attempts))
    # The range spares PostgreSQL the other months, LIMIT that it reads all that lies within.
    cursor.execute(
        "SELECT NOT EXISTS (SELECT FROM new_call n CROSS JOIN LATERAL"
        " (SELECT FROM routing_call c WHERE c.id = n.id AND c.id BETWEEN %s AND %s LIMIT 1) AS there)",
        [min(ids), max(ids)],
    )
    return bool(cursor.fetchone()[0])


def write_staged(cursor: CursorWrapper) -> Written:
    """Write what the staging tables hold; see `write`."""
    _make_months(cursor, "staged")
    return _follow(cursor, _UPSERT_CALLS, _UPSERT_ATTEMPTS, "staged")


def _follow(cursor: CursorWrapper, of_calls: str, of_attempts: str, stage: str) -> Written:
    """Run the two statements that tell what is written, and write what follows from the rows in the staging tables of that name."""
    calls, call_costs = _costs(cursor, of_calls, _OF_CALL)
    attempts, attempt_costs = _costs(cursor, of_attempts, ("provider",))
    cursor.execute(_UPSERT_ITEMS.format(stage=stage))
    items = cursor.rowcount
    cursor.execute(_SEEN_ITEMS.format(stage=stage))
    _mark_nights(cursor, stage)
    return Written(calls, attempts, items, (*call_costs, *attempt_costs))


def _costs(cursor: CursorWrapper, statement: str, names: Sequence[str]) -> tuple[int, list[Costs]]:
    """How many rows were written, and what they cost. Only those: a row that was there before has been counted before."""
    cursor.execute(statement)
    written, costs = 0, []
    for rows, cost, began_at, simulated, *values in cursor.fetchall():
        written += rows
        if cost:
            costs.append(Costs(began_at, tuple(zip(names, values, strict=True)), simulated, cost))
    return written, costs


def _make_months(cursor: CursorWrapper, stage: str) -> None:
    """Make the partitions that are missing. Looks before it locks: another writer may hold the lock for a whole import."""
    cursor.execute(
        "SELECT month, to_regclass('routing_call_' || to_char(month, 'YYYY_MM')) IS NULL"
        f" FROM (SELECT DISTINCT date_trunc('month', {_BEGAN_AT.format(id='id')} AT TIME ZONE 'UTC')::date AS month FROM {stage}_call) AS months"
    )
    for month, is_missing in cursor.fetchall():
        if is_missing:
            cursor.execute("SELECT routing_partition(%s)", [month])


def _mark_nights(cursor: CursorWrapper, stage: str) -> None:
    """Staged calls of earlier days came late: the nights on which they count, and their items may close, are to be run again.

    Looks for nights that have run only now, after the rows are written: a night that begins meanwhile waits for this transaction.
    """
    cursor.execute("SELECT EXISTS (SELECT FROM routing_jobrun WHERE job = 'nightly')")
    if not cursor.fetchone()[0]:
        return
    cursor.execute(
        f"SELECT DISTINCT day::date FROM {stage}_call c JOIN routing_workitem i ON i.id = c.item_id"
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
_BEGAN_AT = "to_timestamp(('x' || left(replace({id}::text, '-', ''), 12))::bit(48)::bigint / 900000 * 900)"  # to the quarter of an hour


def _sums(written: str, id: str, cost: str, names: Sequence[str]) -> str:
    by = ", ".join(("began_at", "simulated", *names))
    return f"SELECT count(*), {cost}, {_BEGAN_AT.format(id=id)} AS {by} FROM {written} GROUP BY {by}"


_NEW_CALLS = _sums("new_call", "id", "sum(cost_usd)", _OF_CALL)

# An outcome that replaces a shorter one adds what it costs more.
_UPSERT_CALLS = f"""
WITH old AS (SELECT id, cost_usd AS old_usd FROM routing_call WHERE id IN (SELECT id FROM staged_call)), written AS (
INSERT INTO routing_call ({", ".join(CALL_COLUMNS)})
SELECT DISTINCT ON (id) {", ".join(CALL_COLUMNS)} FROM staged_call ORDER BY id, status = 'unknown', attempts_count DESC
ON CONFLICT (id) DO UPDATE SET {_updates(CALL_COLUMNS, ["id"])}
WHERE excluded.status <> 'unknown' AND (routing_call.status = 'unknown'
   OR NOT excluded.imported AND NOT routing_call.imported AND excluded.attempts_count > routing_call.attempts_count)
RETURNING id, cost_usd, simulated, {", ".join(_OF_CALL)})
{_sums("written LEFT JOIN old USING (id)", "id", "sum(cost_usd - coalesce(old_usd, 0))", _OF_CALL)}
"""

# With a client's own credential it is not our money that a provider gets.
_OURS = "sum(cost_usd) FILTER (WHERE credential_kind <> 'caller')"
_NEW_ATTEMPTS = _sums("new_attempt", "call_id", _OURS, ["provider"])
_UPSERT_ATTEMPTS = f"""
WITH written AS (
INSERT INTO routing_attempt ({", ".join(ATTEMPT_COLUMNS)})
SELECT DISTINCT ON (call_id, attempt) {", ".join(ATTEMPT_COLUMNS)} FROM staged_attempt
ORDER BY call_id, attempt, status = 'unknown'
ON CONFLICT (call_id, attempt) DO UPDATE SET {_updates(ATTEMPT_COLUMNS, ["call_id", "attempt"])}
WHERE routing_attempt.status = 'unknown' AND excluded.status <> 'unknown'
RETURNING call_id, cost_usd, simulated, provider, credential_kind)
{_sums("written", "call_id", _OURS, ["provider"])}
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
FROM {{stage}}_call c
JOIN {{stage}}_attempt a ON a.call_id = c.id
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
_SEEN_ITEMS = f"""
UPDATE routing_workitem i SET seen_at = s.seen_at
FROM (SELECT item_id, max(started_at) AS seen_at FROM {{stage}}_call WHERE session <> '' AND NOT imported GROUP BY item_id) AS s
WHERE i.id = s.item_id AND s.seen_at <= coalesce(i.seen_at, s.seen_at) + make_interval(secs => {IDLE.total_seconds()})
  AND s.seen_at > coalesce(i.seen_at + make_interval(secs => {SEEN_EVERY.total_seconds()}), '-infinity')
"""
