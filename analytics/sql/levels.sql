-- Every distinct kind of imported row that was drawn by chance: all that stats.shares.imported_shares looks at.
SELECT task_type, simulated, (opened_at AT TIME ZONE 'UTC')::date, role, model, propensity
FROM routing_workitem
WHERE imported AND shares = '' AND propensity > 0 AND propensity < 1 AND role IN ('primary', 'explore')
  AND opened_at >= %s AND opened_at < %s
GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
