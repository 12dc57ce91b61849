-- The hours of one day as rollups: their buckets counted, as log-histograms.
INSERT INTO analytics_rollup (
    hour, task_type, provider, model, role, client, project, simulated, attempts, firsts, ok, error, partial, cancelled, blocked, unknown, faults, input_tokens, output_tokens,
    cache_read_tokens, cost_usd, unpriced, ttft_buckets, ttft_counts, total_buckets, total_counts)
SELECT hour, task_type, provider, model, role, client, project, simulated, attempts, firsts, ok, error, partial, cancelled, blocked, unknown, faults, input_tokens, output_tokens,
    cache_read_tokens, cost_usd, unpriced, coalesce(ttft.buckets, '{}'), coalesce(ttft.counts, '{}'), coalesce(total.buckets, '{}'), coalesce(total.counts, '{}')
FROM day_hour
CROSS JOIN LATERAL (SELECT array_agg(bucket ORDER BY bucket) AS buckets, array_agg(n ORDER BY bucket) AS counts
                    FROM (SELECT bucket, count(*) AS n FROM unnest(ttfts) AS bucket GROUP BY bucket) AS counted) AS ttft
CROSS JOIN LATERAL (SELECT array_agg(bucket ORDER BY bucket) AS buckets, array_agg(n ORDER BY bucket) AS counts
                    FROM (SELECT bucket, count(*) AS n FROM unnest(totals) AS bucket GROUP BY bucket) AS counted) AS total
ORDER BY hour, task_type, provider, model, role, client, project, simulated
