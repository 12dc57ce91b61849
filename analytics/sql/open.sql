-- Work items of the nights before that still waited for a label when this night began: only these may close in it.
-- Who is not graded, or closed at once by a fault or an answer that counts by itself, is left out: nothing is counted of him again.
CREATE TEMP TABLE night_open ON COMMIT DROP AS
WITH item AS NOT MATERIALIZED (
    SELECT w.*, (w.opened_at AT TIME ZONE 'UTC')::date AS night, coalesce(s.horizon, %(horizon)s) AS horizon,
           coalesce(s.sources, %(sources)s) AS sources
    FROM routing_workitem w
    LEFT JOIN jsonb_to_recordset(%(settings)s) AS s(task_type text, transport bool, horizon int, sources text[]) ON s.task_type = w.task_type
    WHERE w.opened_at >= %(start)s AND w.opened_at < %(day)s AND w.drawn AND w.first_status = 'ok' AND NOT coalesce(s.transport, false)
)
SELECT * FROM item i
WHERE i.night + i.horizon >= %(night)s AND NOT EXISTS (
    SELECT FROM routing_label l
    WHERE l.item_id = i.id AND l.observed_at >= %(start)s AND l.observed_at < %(day)s AND l.verdict IN ('good', 'bad')
      AND l.source = ANY(i.sources))
