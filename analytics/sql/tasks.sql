-- Every task type over a period in one line: calls, cost, the 95th percentile bucket of total_ms.
WITH tried AS (
    SELECT task_type, bool_or(simulated) AS simulated, sum(firsts) AS calls, sum(cost_usd) AS cost_usd, sum(unpriced) AS unpriced
    FROM analytics_rollup
    WHERE hour >= %(since)s AND hour < %(until)s
    GROUP BY 1
), merged AS (
    SELECT task_type, bucket, sum(n) AS n
    FROM analytics_rollup, LATERAL unnest(total_buckets, total_counts) AS t(bucket, n)
    WHERE hour >= %(since)s AND hour < %(until)s
    GROUP BY 1, 2
), ranked AS (
    SELECT task_type, bucket, sum(n) OVER (PARTITION BY task_type ORDER BY bucket) AS rank,
           sum(n) OVER (PARTITION BY task_type) AS total
    FROM merged
), slow AS (
    SELECT task_type, min(bucket) FILTER (WHERE rank >= ceil(0.95 * total)) AS p95 FROM ranked GROUP BY 1
)
SELECT task_type, simulated, calls, cost_usd, unpriced, p95 FROM tried LEFT JOIN slow USING (task_type)
