-- How many primary items each model served in the staged night.
SELECT task_type, simulated, model, version, count(*) FILTER (WHERE role = 'primary') FROM night_item
WHERE is_opened AND is_admitted GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
