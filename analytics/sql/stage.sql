-- Every work item that opened on a night, as stats.items.from_calls would have it; those that only close in it are added by late.sql.
-- said: a label that decides, as one number: rank of its source, time left in its day (the last word that a source says in a night
-- counts), good. The smallest number is the item's.
-- What an item cost and its ttft_ms are read from its first call; only further calls, which a session alone has, are summed.
-- A cost is unknown when one of the calls used tokens and has no price.
-- share: imported rows know their own propensity only; their share vector is worked out from the night's levels.
CREATE TEMP TABLE night_item ON COMMIT DROP AS
WITH setting AS NOT MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(settings)s) AS s(task_type text, transport bool, horizon int, sources text[])
), item AS NOT MATERIALIZED (
    SELECT w.*, coalesce(s.transport, false) AS transport, coalesce(s.horizon, %(horizon)s) AS horizon,
           coalesce(s.sources, %(sources)s) AS sources, w.first_status <> 'ok' AND w.first_error = ANY(%(faults)s) AS failed
    FROM routing_workitem w LEFT JOIN setting s ON s.task_type = w.task_type
    WHERE w.opened_at >= %(day)s AND w.opened_at < %(end)s
), said AS (
    SELECT l.item_id AS id,
           min((least(array_position(i.sources, l.source::text), 15)::bigint << 38)
               + ((86400000000 - (date_part('epoch', greatest(l.observed_at, i.opened_at)) * 1e6)::bigint %% 86400000000) << 1)
               + (l.verdict = 'good')::int) & 1 AS verdict
    FROM routing_label l JOIN item i ON i.id = l.item_id
    WHERE l.observed_at >= %(start)s AND l.observed_at < %(end)s AND l.verdict IN ('good', 'bad') AND l.source = ANY(i.sources)
    GROUP BY l.item_id
), call AS NOT MATERIALIZED (
    SELECT id, item_id, session, cost_usd, ttft_ms,
           cost_usd IS NULL AND (status IN ('ok', 'partial', 'unknown') OR input_tokens IS NOT NULL) AS is_unpriced
    FROM routing_call WHERE id >= %(first_id)s AND id < %(end_id)s
), further AS (
    SELECT c.item_id AS id, sum(c.cost_usd) AS cost_usd, bool_or(c.is_unpriced) AS is_unpriced
    FROM call c JOIN routing_workitem w ON w.id = c.item_id AND w.first_call_id <> c.id
    WHERE c.session <> '' AND w.session <> '' AND w.opened_at >= %(day)s AND w.opened_at < %(end)s
    GROUP BY c.item_id
), told AS (
    SELECT i.*, i.drawn AND (i.failed OR i.first_status = 'ok') AS counts,
           CASE WHEN i.failed THEN 0 WHEN i.transport THEN 1 ELSE said.verdict END AS verdict,
           CASE WHEN i.propensity = 1 THEN i.model || '=1' ELSE coalesce(h.shares, replace(i.shares, ',', '|')) END AS vector,
           CASE WHEN NOT (c.is_unpriced OR coalesce(f.is_unpriced, false))
                THEN coalesce(c.cost_usd + f.cost_usd, c.cost_usd, f.cost_usd, 0) END AS cost_usd,
           c.ttft_ms
    FROM item i LEFT JOIN said ON said.id = i.id LEFT JOIN call c ON c.id = i.first_call_id LEFT JOIN further f ON f.id = i.id
    LEFT JOIN jsonb_to_recordset(%(shares)s) AS h(
        task_type text, simulated bool, night date, role text, model text, propensity float8, shares text)
        ON i.imported AND i.shares = '' AND h.task_type = i.task_type AND h.simulated = i.simulated AND h.night = %(night)s
        AND h.role = i.role AND h.model = i.model AND h.propensity = i.propensity
)
SELECT task_type, definition_version AS definition, simulated, %(night)s::date AS night, true AS is_opened,
       failed OR transport OR verdict IS NOT NULL OR horizon = 0 AS is_closed,
       size, model, model_version::text AS version, role, propensity, vector AS shares,
       -- A drawn arm without a share vector is no evidence: nobody can say what it was drawn against.
       role IN ('primary', 'explore') AND coalesce(propensity > 0 AND propensity <= 1, false) AND vector <> '' AS is_admitted,
       counts AS drawn, failed, CASE WHEN counts THEN verdict::int END AS success, cost_usd, ttft_ms, first_total_ms AS total_ms
FROM told
