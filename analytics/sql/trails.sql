-- Only the newest comparison of a pair's run keeps its trail: it holds those of the nights before.
UPDATE analytics_comparison AS old SET trail = '[]'
WHERE trail <> '[]' AND EXISTS (
    SELECT FROM analytics_comparison AS new
    WHERE new.task_type = old.task_type AND new.incumbent = old.incumbent AND new.challenger = old.challenger
      AND new.simulated = old.simulated AND new.definition = old.definition AND new.since = old.since AND new.night > old.night
)
