-- The staged night as blocks, as stats.blocks.fold would have them.
-- Sums are taken of exact numbers (logarithms as whole picos), so that they do not depend on the order in which PostgreSQL meets the rows.
WITH folded (
    task_type, night, definition, simulated, bucket, shares, model, version, opened, as_primary, priced, cost_sum, cost_sq, cost_cut,
    timed, slower_p50, slower_p95, ttft_n, ttft_log_sum, ttft_log_sq, total_n, total_log_sum, total_log_sq, drawn, graded, successes) AS MATERIALIZED (
SELECT task_type, %(night)s, definition, simulated, bucket, shares, model, version,
    count(*) FILTER (WHERE is_opened),
    count(*) FILTER (WHERE is_opened AND role = 'primary'),
    count(cost) FILTER (WHERE is_opened),
    coalesce(sum(cost) FILTER (WHERE is_opened), 0),
    coalesce(sum(cost * cost) FILTER (WHERE is_opened), 0),
    count(*) FILTER (WHERE is_opened AND is_cut),
    count(*) FILTER (WHERE is_opened AND is_timed),
    count(*) FILTER (WHERE is_opened AND is_timed AND (failed OR total_ms > t50)),
    count(*) FILTER (WHERE is_opened AND is_timed AND (failed OR total_ms > t95)),
    count(log_ttft) FILTER (WHERE is_opened),
    coalesce(sum((log_ttft * 1e12)::bigint) FILTER (WHERE is_opened), 0) / 1e12,
    coalesce(sum((log_ttft * log_ttft * 1e12)::bigint) FILTER (WHERE is_opened), 0) / 1e12,
    count(log_total) FILTER (WHERE is_opened),
    coalesce(sum((log_total * 1e12)::bigint) FILTER (WHERE is_opened), 0) / 1e12,
    coalesce(sum((log_total * log_total * 1e12)::bigint) FILTER (WHERE is_opened), 0) / 1e12,
    count(*) FILTER (WHERE is_closed AND drawn),
    count(success) FILTER (WHERE is_closed AND drawn),
    count(*) FILTER (WHERE is_closed AND drawn AND success = 1)
FROM (
    SELECT i.*, y.t50, y.t95,
        CASE WHEN i.night >= y.edges_from
             THEN 1 + (i.size > y.edge1)::int + (i.size > y.edge2)::int + (i.size > y.edge3)::int ELSE 0 END AS bucket,
        CASE WHEN i.cost_usd IS NOT NULL THEN least(i.cost_usd, y.cut) END AS cost,  -- least() passes over NULL
        i.cost_usd > y.cut AS is_cut,
        y.t50 IS NOT NULL AND (i.failed OR i.total_ms IS NOT NULL) AS is_timed,
        CASE WHEN NOT i.failed AND i.ttft_ms > 0 THEN ln(i.ttft_ms::float8) END AS log_ttft,
        CASE WHEN NOT i.failed AND i.total_ms > 0 THEN ln(i.total_ms::float8) END AS log_total
    FROM night_item i LEFT JOIN night_yard y USING (task_type, simulated) WHERE i.is_admitted
) AS measured
GROUP BY task_type, definition, simulated, bucket, shares, model, version
)
INSERT INTO analytics_block (
    task_type, night, definition, simulated, bucket, shares, model, version, opened, as_primary, priced, cost_sum, cost_sq, cost_cut,
    timed, slower_p50, slower_p95, ttft_n, ttft_log_sum, ttft_log_sq, total_n, total_log_sum, total_log_sq, drawn, graded, successes)
SELECT * FROM folded
ORDER BY task_type, definition, simulated, bucket, shares, model, version
