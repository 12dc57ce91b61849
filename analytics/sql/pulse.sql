-- Calls of a stretch of time: how many, how they ended, how long they took, what they cost.
SELECT count(*) AS calls,
       count(*) FILTER (WHERE status = 'ok') AS ok,
       count(*) FILTER (WHERE status IN ('ok', 'error', 'partial')) AS ended,
       count(*) FILTER (WHERE used_fallback) AS fallbacks,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY total_ms) FILTER (WHERE status = 'ok') AS p95,
       coalesce(sum(cost_usd), 0) AS cost_usd,
       count(*) FILTER (WHERE cost_usd IS NULL AND status IN ('ok', 'partial')) AS unpriced,
       coalesce(bool_or(simulated), false) AS simulated
FROM routing_call
WHERE id >= %(since)s AND id < %(until)s
