-- Add to the staged night those of night_open that close in it: by a label of this night, or because their time is over.
INSERT INTO night_item (task_type, definition, simulated, night, is_opened, is_closed, size, model, version, role, propensity, shares,
    is_admitted, drawn, failed, success, total_ms)
SELECT task_type, definition_version, simulated, night, false, true, size, model, model_version::text, role, propensity, vector,
       role IN ('primary', 'explore') AND coalesce(propensity > 0 AND propensity <= 1, false) AND vector <> '', true, false,
       verdict, first_total_ms
FROM (
    SELECT o.*, (said.code & 1)::int AS verdict,
           CASE WHEN o.propensity = 1 THEN o.model || '=1' ELSE coalesce(h.shares, replace(o.shares, ',', '|')) END AS vector
    FROM night_open o LEFT JOIN (
        SELECT o.id, min((least(array_position(o.sources, l.source::text), 15)::bigint << 38)
               + ((86400000000 - (date_part('epoch', l.observed_at) * 1e6)::bigint %% 86400000000) << 1) + (l.verdict = 'good')::int) AS code
        FROM night_open o JOIN routing_label l ON l.item_id = o.id
        WHERE l.observed_at >= %(day)s AND l.observed_at < %(end)s AND l.verdict IN ('good', 'bad') AND l.source = ANY(o.sources)
        GROUP BY o.id
    ) AS said ON said.id = o.id
    LEFT JOIN jsonb_to_recordset(%(shares)s) AS h(
        task_type text, simulated bool, night date, role text, model text, propensity float8, shares text)
        ON o.imported AND o.shares = '' AND h.task_type = o.task_type AND h.simulated = o.simulated AND h.night = o.night
        AND h.role = o.role AND h.model = o.model AND h.propensity = o.propensity
    WHERE said.code IS NOT NULL OR o.night + o.horizon = %(night)s
) AS closing
