-- The staged night's work items of every role.
INSERT INTO analytics_tally (night, task_type, model, role, simulated, opened, priced, cost_usd, drawn, graded, successes)
SELECT %(night)s, task_type, model, role, simulated,
    count(*) FILTER (WHERE is_opened), count(cost_usd) FILTER (WHERE is_opened),
    coalesce(sum(cost_usd) FILTER (WHERE is_opened), 0),
    count(*) FILTER (WHERE is_closed AND drawn), count(success) FILTER (WHERE is_closed AND drawn),
    count(*) FILTER (WHERE is_closed AND drawn AND success = 1)
FROM night_item GROUP BY task_type, model, role, simulated ORDER BY task_type, model, role, simulated
