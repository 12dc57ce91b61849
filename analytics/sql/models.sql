-- Every model at every task type over a period: attempts from rollups, work items from tallies.
WITH tried AS (
    SELECT task_type, provider || ':' || model AS model, bool_and(simulated) AS simulated, sum(attempts) AS attempts, sum(faults) AS faults,
           sum(cost_usd) AS cost_usd, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(unpriced) AS unpriced
    FROM analytics_rollup
    WHERE hour >= %(since)s AND hour < %(until)s AND (%(task_type)s::text IS NULL OR task_type = %(task_type)s)
    GROUP BY 1, 2
), counted AS (
    SELECT task_type, model, sum(priced) AS priced, sum(cost_usd) AS item_cost, sum(drawn) AS drawn, sum(graded) AS graded,
           sum(successes) AS successes
    FROM analytics_tally
    WHERE night >= %(first)s AND night < %(end)s AND (%(task_type)s::text IS NULL OR task_type = %(task_type)s)
    GROUP BY 1, 2
)
SELECT task_type, model, simulated, attempts, sum(attempts) OVER (PARTITION BY task_type) AS of_task, faults, cost_usd,
       input_tokens, output_tokens, unpriced, coalesce(priced, 0) AS priced, coalesce(item_cost, 0) AS item_cost,
       coalesce(drawn, 0) AS drawn, coalesce(graded, 0) AS graded, coalesce(successes, 0) AS successes
FROM tried LEFT JOIN counted USING (task_type, model)
ORDER BY task_type, attempts DESC, model
