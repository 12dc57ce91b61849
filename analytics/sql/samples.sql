-- What the yardsticks collect: histograms of sizes, and of the incumbent's own latencies and costs (NULL = unpriced). One pass counts all three.
SELECT task_type, simulated,
       CASE WHEN GROUPING(size) = 0 THEN 'sizes' WHEN GROUPING(total) = 0 THEN 'totals' ELSE 'costs' END AS what,
       coalesce(size, total, cost) AS bucket,
       CASE WHEN GROUPING(size) = 0 THEN count(*) WHEN GROUPING(total) = 0 THEN count(total) ELSE count(*) FILTER (WHERE is_own) END AS n
FROM (
    SELECT task_type, simulated, is_own, analytics_bucket(size) AS size, CASE WHEN is_own AND NOT failed THEN analytics_bucket(total_ms) END AS total,
           CASE WHEN is_own AND cost_usd IS NOT NULL THEN analytics_bucket(cost_usd) END AS cost
    FROM (
        SELECT i.*, s.model IS NOT NULL AND i.role = 'primary' AS is_own
        FROM night_item i LEFT JOIN night_served s USING (task_type, simulated, model, version)
        WHERE i.is_opened AND i.is_admitted
    ) AS opened
) AS measured
GROUP BY task_type, simulated, GROUPING SETS (size, total, cost)
HAVING CASE WHEN GROUPING(size) = 0 THEN true WHEN GROUPING(total) = 0 THEN count(total) > 0 ELSE count(*) FILTER (WHERE is_own) > 0 END
