"""From staged lines to rows, inside PostgreSQL: what is there already, what contradicts it, what is new."""

# ruff: noqa: S608 - statements are put together of our own names alone

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper

from routing import copying, rows
from routing.imports.checked import STAGED
from routing.imports.columns import COST, BadLine

# column → what the row that is there says.
_THERE = {
    "ts": "a.started_at",
    "provider": "a.provider",
    "model": "a.model",
    "role": "a.role",
    "propensity": "a.propensity",
    "input_tokens": "a.input_tokens",
    "output_tokens": "a.output_tokens",
    "ttft_ms": "a.ttft_ms",
    "total_ms": "a.total_ms",
    "cost_usd": "a.cost_usd",
}
_OF_CALL = {"task_type": "c.task_type", "session": "c.session", "client": "c.client"}
# A blank of these contradicts nothing.
_IF_SAID = {"status": "a.status", "error_kind": "a.error_kind", "size": "c.size"} | {name: f"a.{name}" for name in COST}


@dataclass(frozen=True, slots=True)
class Counts:
    added: int  # attempts that were not there
    updated: int  # whose success was blank and is now known
    unchanged: int


def open_tables(cursor: CursorWrapper) -> None:
    cursor.execute("SET LOCAL jit = off")
    cursor.execute("SET LOCAL work_mem = '128MB'")
    cursor.execute("SET LOCAL default_statistics_target = 5")  # the planner needs sizes, not histograms
    cursor.execute("DROP TABLE IF EXISTS import_line, import_call, import_filled")
    columns = ", ".join(f"{name} {kind}" for name, kind in STAGED.items())
    cursor.execute(f"CREATE TEMP TABLE import_line ({columns}) ON COMMIT DROP")


def fill(cursor: CursorWrapper, lines: Iterable[str]) -> None:
    copying.copy_lines(cursor, "import_line", list(STAGED), lines)
    cursor.execute("ANALYZE import_line")


def match(cursor: CursorWrapper) -> tuple[int, list[BadLine]]:
    """Find the calls that are there. Drop the lines that contradict them, or another line; give those, and the number of mere repeats."""
    cursor.execute(_TWINS)
    twins = cursor.fetchall()
    if twins:
        cursor.execute(_FILL_FIRST)
        cursor.execute(_DELETE_LINES, [[line for line, _ in twins]])
    bad = [(line, reason) for line, reason in twins if reason]
    repeats = len(twins) - len(bad)
    for statement in (_STRAYS, _CALLS, _CONTRADICTIONS):
        cursor.execute(statement)
        if statement is _CALLS:
            cursor.execute("CREATE UNIQUE INDEX ON import_call (request_id); ANALYZE import_call")
        elif cursor.rowcount:
            found = cursor.fetchall()
            cursor.execute(_DELETE_LINES, [[line for line, _ in found]])
            bad += found
    return repeats, [BadLine(line, reason) for line, reason in sorted(bad)]


def latest_primaries(cursor: CursorWrapper, tasks: list[str]) -> dict[str, str]:
    """The "provider:model" that the latest primary row of each task type shows; where none is primary, the latest row."""
    cursor.execute(_LATEST, [tasks])
    return dict(cursor.fetchall())


def write(cursor: CursorWrapper, by: str) -> Counts:
    """Write what is staged: attempts that are new with their calls, items and labels; successes that were blank."""
    cursor.execute("SELECT count(*) FROM import_line")
    (staged,) = cursor.fetchone()
    cursor.execute(_FILLED)
    updated = max(cursor.rowcount, 0)
    if updated:
        for statement in (_FILL_SUCCESS, _FILL_CALLS, _FILL_ITEMS):
            cursor.execute(statement)
        cursor.execute(_LABEL_FILLED, [by])
        cursor.execute("SELECT DISTINCT night FROM import_filled")
        rows.mark_dirty(cursor, [night for (night,) in cursor.fetchall()])
    cursor.execute(_DROP_KNOWN)
    known = cursor.rowcount
    if staged > known:
        _write_new(cursor, by)
    return Counts(added=staged - known, updated=updated, unchanged=known - updated)


def _write_new(cursor: CursorWrapper, by: str) -> None:
    cursor.execute(_DROP_KNOWN_CALLS)
    rows.stage(cursor)
    for statement in (
        _STAGE_ATTEMPTS,
        _STAGE_OLD_ATTEMPTS,
        "ANALYZE staged_attempt",
        _STAGE_CALLS,
        "ANALYZE staged_call",
    ):
        cursor.execute(statement)
    cursor.execute(_FORGET_ITEMS)  # of calls that get more attempts: both are made anew from all of them
    cursor.execute(_FORGET_CALLS)
    rows.write_staged(cursor)
    cursor.execute(_DRAW_ITEMS)
    cursor.execute(_LABEL, [by])


def _differs(there: dict[str, str], *, if_said: bool = False) -> str:
    """WHEN branches that name the first column whose values differ."""
    return " ".join(
        f"WHEN {f'l.{name} IS NOT NULL AND ' if if_said else ''}l.{name} IS DISTINCT FROM {other}"
        f" THEN format('{name}: is %s here, and %s in the row that is there', coalesce(l.{name}::text, 'blank'),"
        f" coalesce({other}::text, 'blank'))"
        for name, other in there.items()
    )


def _opposes(column: str) -> str:
    return f"WHEN l.success <> {column} THEN 'success: is the opposite of what the row that is there says'"


_LATEST = """
SELECT DISTINCT ON (task_type) task_type, model
FROM (SELECT task_type, role = 'primary' AS is_primary, provider || ':' || model AS model, max(ts) AS ts, max(line) AS line
      FROM import_line WHERE task_type = ANY(%s) GROUP BY 1, 2, 3) AS shown
ORDER BY task_type, is_primary DESC, ts DESC, line DESC
"""
_DELETE_LINES = "DELETE FROM import_line WHERE line = ANY(%s)"

# Further lines with the key of an earlier one: (line, why they contradict it, or null).
_TWINS = f"""
SELECT l.line, CASE {_differs({name: f"f.{name}" for name in (*_THERE, *_OF_CALL, *_IF_SAID)}).replace("row that is there", "line before")}
                    {_opposes("f.success").replace("row that is there", "line before")} END
FROM (SELECT request_id, attempt, min(line) AS first FROM import_line GROUP BY request_id, attempt HAVING count(*) > 1) AS twice
JOIN import_line f ON f.line = twice.first
JOIN import_line l ON l.request_id = twice.request_id AND l.attempt = twice.attempt AND l.line <> twice.first
ORDER BY l.line
"""
_FILL_FIRST = """
UPDATE import_line f SET success = l.success FROM import_line l
WHERE l.request_id = f.request_id AND l.attempt = f.attempt AND f.line < l.line AND f.success IS NULL AND l.success IS NOT NULL
"""
_STRAYS = f"""
SELECT line, reason FROM (
    SELECT l.line, CASE {_differs({name: f"f.{name}" for name in _OF_CALL}).replace("row that is there", "first attempt")} END AS reason
    FROM (SELECT request_id, min(attempt) AS first FROM import_line GROUP BY request_id HAVING count(*) > 1) AS several
    JOIN import_line f ON f.request_id = several.request_id AND f.attempt = several.first
    JOIN import_line l ON l.request_id = several.request_id AND l.attempt <> several.first
) AS strays WHERE reason IS NOT NULL
"""
_CALLS = """
CREATE TEMP TABLE import_call ON COMMIT DROP AS
SELECT l.request_id, l.first, l.last, coalesce(c.id, o.id) IS NOT NULL AS is_there,
       coalesce(NOT coalesce(c.imported, o.imported), false) AS is_own,
       coalesce(c.id, l.own, (lpad(to_hex((extract(epoch FROM l.ts) * 1000)::bigint), 12, '0') || l.tail)::uuid) AS id,
       CASE WHEN c.id IS NULL AND l.own IS NOT NULL THEN '' ELSE l.request_id END AS external_id
FROM (SELECT request_id, min(attempt) AS first, max(attempt) AS last, min(tail) AS tail,
             date_trunc('milliseconds', (array_agg(ts ORDER BY attempt))[1]) AS ts,
             (array_agg(own) FILTER (WHERE own IS NOT NULL))[1] AS own
      FROM import_line GROUP BY request_id) AS l
LEFT JOIN routing_call c ON c.external_id = l.request_id AND c.external_id <> ''
LEFT JOIN routing_call o ON o.id = l.own
"""
_CONTRADICTIONS = f"""
SELECT line, reason FROM (
    SELECT l.line, CASE {_differs(_OF_CALL)}
                        WHEN i.is_own AND a.call_id IS NULL THEN 'attempt: the call was recorded here, without such an attempt'
                        WHEN a.call_id IS NULL THEN NULL
                        {_differs(_THERE)} {_differs(_IF_SAID, if_said=True)} {_opposes("a.success")} END AS reason
    FROM import_line l JOIN import_call i ON i.request_id = l.request_id AND i.is_there
    JOIN routing_call c ON c.id = i.id
    LEFT JOIN routing_attempt a ON a.call_id = i.id AND a.attempt = l.attempt
) AS compared WHERE reason IS NOT NULL
"""
_FILLED = """
CREATE TEMP TABLE import_filled ON COMMIT DROP AS
SELECT a.call_id, a.attempt, l.success, l.ts, c.item_id, (l.ts AT TIME ZONE 'UTC')::date AS night
FROM import_line l JOIN import_call i ON i.request_id = l.request_id AND i.is_there AND NOT i.is_own
JOIN routing_call c ON c.id = i.id
JOIN routing_attempt a ON a.call_id = i.id AND a.attempt = l.attempt
WHERE a.success IS NULL AND l.success IS NOT NULL
"""
_FILL_SUCCESS = """
UPDATE routing_attempt a SET success = f.success FROM import_filled f WHERE a.call_id = f.call_id AND a.attempt = f.attempt
"""
_FILL_CALLS = "UPDATE routing_call c SET drawn = true FROM import_filled f WHERE c.id = f.call_id AND NOT c.drawn"
_FILL_ITEMS = "UPDATE routing_workitem w SET drawn = true FROM import_filled f WHERE w.id = f.item_id AND NOT w.drawn"
_LABEL_COLUMNS = "item_id, call_id, source, verdict, comment, by, observed_at, received_at"
_LABEL_FILLED = f"""
INSERT INTO routing_label ({_LABEL_COLUMNS})
SELECT DISTINCT ON (f.call_id) f.item_id, f.call_id, 'import', CASE WHEN f.success THEN 'good' ELSE 'bad' END, '', %s, f.ts, now()
FROM import_filled f
WHERE NOT EXISTS (SELECT FROM routing_label o WHERE o.item_id = f.item_id AND o.call_id = f.call_id AND o.source = 'import')
ORDER BY f.call_id, f.attempt
"""
_DROP_KNOWN = """
DELETE FROM import_line l USING import_call i, routing_attempt a
WHERE i.request_id = l.request_id AND i.is_there AND a.call_id = i.id AND a.attempt = l.attempt
"""
_DROP_KNOWN_CALLS = """
DELETE FROM import_call c WHERE NOT EXISTS (SELECT FROM import_line l WHERE l.request_id = c.request_id)
"""
# An attempt that another followed failed by a provider's fault: nothing else falls back.
_STAGE_ATTEMPTS = f"""
INSERT INTO staged_attempt (call_id, attempt, started_at, provider, model, upstream_id, served_model, credential, credential_kind, role,
    propensity, route_revision, status, error_kind, error_message, input_tokens, output_tokens, ttft_ms, total_ms, cost_usd, price,
    success, simulated, thinking, provider_request_id, {", ".join(COST)})
SELECT i.id, l.attempt, l.ts, l.provider, l.model, l.model, '', '', 'none', l.role, l.propensity, 0,
       coalesce(l.status, CASE WHEN l.attempt < i.last THEN 'error' ELSE 'ok' END),
       coalesce(l.error_kind, CASE WHEN l.attempt < i.last THEN 'server' ELSE '' END),
       '', l.input_tokens, l.output_tokens, l.ttft_ms, l.total_ms, l.cost_usd, CASE WHEN l.cost_usd IS NULL THEN '' ELSE 'import' END,
       l.success, l.simulated, '', '', {", ".join(f"l.{name}" for name in COST[:-2])}, coalesce(l.service_tier, ''), coalesce(l.estimated, false)
FROM import_line l JOIN import_call i ON i.request_id = l.request_id
"""
_STAGE_OLD_ATTEMPTS = f"""
INSERT INTO staged_attempt ({", ".join(rows.ATTEMPT_COLUMNS)})
SELECT {", ".join(f"a.{column}" for column in rows.ATTEMPT_COLUMNS)}
FROM routing_attempt a JOIN import_call i ON a.call_id = i.id AND i.is_there
"""
_STAGE_CALLS = """
INSERT INTO staged_call (id, external_id, started_at, finished_at, status, error_code, task_type, project, client, key_prefix, wire, session,
    item_id, size, shares, drawn, grading_p, role, propensity, route_revision, candidates, requested_model, routed_model, served_model,
    would_route, used_fallback, background, stream, simulated, imported, reason, metadata, attempts_count, input_tokens, output_tokens,
    ttft_ms, total_ms, cost_usd)
SELECT i.id, i.external_id, f.started_at, w.ends, coalesce(s.status, z.status), '', l.task_type, '', l.client, '', 'import', l.session,
       l.item, coalesce(l.size, f.input_tokens, 0), '', w.drawn, 1, f.role, f.propensity, 0, '[]', '', f.provider || ':' || f.model,
       coalesce(s.provider || ':' || s.model, ''), '', coalesce(s.attempt > f.attempt OR s.role = 'fallback', false), false, false,
       f.simulated, true, '', '{}', w.attempts, s.input_tokens, s.output_tokens, s.ttft_ms,
       CASE WHEN w.attempts = 1 THEN f.total_ms ELSE (extract(epoch FROM w.ends - f.started_at) * 1000)::int END, w.cost_usd
FROM import_call i
JOIN import_line l ON l.request_id = i.request_id AND l.attempt = i.first
JOIN (SELECT call_id, count(*) AS attempts, min(attempt) AS first, max(attempt) AS last, sum(cost_usd) AS cost_usd,
             max(attempt) FILTER (WHERE status IN ('ok', 'partial') AND role NOT IN ('shadow', 'second_opinion')) AS served,
             bool_or(success IS NOT NULL) AS drawn, max(started_at + total_ms * interval '1 millisecond') AS ends
      FROM staged_attempt GROUP BY call_id) AS w ON w.call_id = i.id
JOIN staged_attempt f ON f.call_id = i.id AND f.attempt = w.first
JOIN staged_attempt z ON z.call_id = i.id AND z.attempt = w.last
LEFT JOIN staged_attempt s ON s.call_id = i.id AND s.attempt = w.served
"""
_FORGET_ITEMS = """
DELETE FROM routing_workitem w USING staged_call c, import_call i
WHERE i.is_there AND c.id = i.id AND w.id = c.item_id AND w.first_call_id = c.id
"""
_FORGET_CALLS = "DELETE FROM routing_call c USING import_call i WHERE i.is_there AND c.id = i.id"
_DRAW_ITEMS = """
UPDATE routing_workitem w SET drawn = true FROM staged_call c WHERE w.id = c.item_id AND c.drawn AND NOT w.drawn
"""
_LABEL = f"""
INSERT INTO routing_label ({_LABEL_COLUMNS})
SELECT DISTINCT ON (a.call_id) c.item_id, c.id, 'import', CASE WHEN a.success THEN 'good' ELSE 'bad' END, '', %s, a.started_at, now()
FROM staged_attempt a JOIN staged_call c ON c.id = a.call_id JOIN import_call i ON i.id = c.id
WHERE a.success IS NOT NULL
  AND (NOT i.is_there OR NOT EXISTS (
      SELECT FROM routing_label o WHERE o.item_id = c.item_id AND o.call_id = c.id AND o.source = 'import'))
ORDER BY a.call_id, a.attempt
"""
