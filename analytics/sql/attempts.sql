-- The attempts of one day by hour, and their latencies as the histogram buckets they fall into.
-- Grouped as they are read: an hour's buckets are small numbers in an array, and no attempt is written down a second time.
CREATE TEMP TABLE day_hour ON COMMIT DROP AS
SELECT hour, task_type, provider, model, role, client, project, simulated, count(*) AS attempts, count(*) FILTER (WHERE attempt = 1) AS firsts,
       count(*) FILTER (WHERE status = 'ok') AS ok, count(*) FILTER (WHERE status = 'error') AS error,
       count(*) FILTER (WHERE status = 'partial') AS partial, count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
       count(*) FILTER (WHERE status = 'blocked') AS blocked, count(*) FILTER (WHERE status = 'unknown') AS unknown,
       count(*) FILTER (WHERE status <> 'ok' AND error_kind = ANY(%(faults)s)) AS faults,
       coalesce(sum(input_tokens), 0) AS input_tokens, coalesce(sum(output_tokens), 0) AS output_tokens,
       coalesce(sum(cache_read_tokens), 0) AS cache_read_tokens, coalesce(sum(cost_usd), 0) AS cost_usd,
       count(*) FILTER (WHERE cost_usd IS NULL AND (status IN ('ok', 'partial', 'unknown') OR input_tokens > 0)) AS unpriced,
       array_agg(analytics_bucket(ttft_ms)) FILTER (WHERE ttft_ms > 0) AS ttfts,
       array_agg(analytics_bucket(total_ms)) FILTER (WHERE total_ms > 0 AND status = 'ok') AS totals
FROM (
    SELECT date_bin('1 hour', c.started_at, %(start)s) AS hour, c.task_type, a.provider, a.model, a.role, c.client, c.project, a.simulated,
           a.attempt, a.status, a.error_kind, a.input_tokens, a.output_tokens, a.cache_read_tokens, a.cost_usd, a.ttft_ms, a.total_ms
    FROM routing_attempt a JOIN routing_call c ON c.id = a.call_id
    WHERE a.call_id >= %(first_id)s AND a.call_id < %(end_id)s AND c.id >= %(first_id)s AND c.id < %(end_id)s
) AS tried
GROUP BY hour, task_type, provider, model, role, client, project, simulated
