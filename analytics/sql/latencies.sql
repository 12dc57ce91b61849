-- The median and 95th percentile bucket of total_ms and ttft_ms, from rollups merged by adding.
WITH merged AS (
    SELECT task_type, provider || ':' || model AS model, what, bucket, sum(n) AS n
    FROM analytics_rollup,
         LATERAL (
             SELECT 'total' AS what, * FROM unnest(total_buckets, total_counts) AS t(bucket, n)
             UNION ALL
             SELECT 'ttft', * FROM unnest(ttft_buckets, ttft_counts) AS f(bucket, n)
         ) AS histogram
    WHERE hour >= %(since)s AND hour < %(until)s AND (%(task_type)s::text IS NULL OR task_type = %(task_type)s)
    GROUP BY 1, 2, 3, 4
), ranked AS (
    SELECT *, sum(n) OVER (PARTITION BY task_type, model, what ORDER BY bucket) AS rank,
           sum(n) OVER (PARTITION BY task_type, model, what) AS total
    FROM merged
)
SELECT task_type, model, what,
       min(bucket) FILTER (WHERE rank >= ceil(0.50 * total)) AS p50, min(bucket) FILTER (WHERE rank >= ceil(0.95 * total)) AS p95
FROM ranked GROUP BY 1, 2, 3
