-- Say why stages were not leased:
--   busy   another worker's lease still holds            done   it has ended already
--   stale  a later attempt has taken its place           over   its task has ended, or there is no such stage
SELECT w.task_id, w.stage,
       CASE WHEN s.status IN ('completed', 'skipped', 'failed') THEN 'done'
            WHEN s.status IS NULL OR s.status = 'cancelled' THEN 'over'
            WHEN s.status = 'ready' AND s.attempt > w.attempt THEN 'stale'
            ELSE 'busy' END AS verdict
FROM (SELECT * FROM unnest(%(task_ids)s::uuid[], %(stages)s::text[], %(attempts)s::int[]) AS w (task_id, stage, attempt)
      LIMIT %(count)s) w
LEFT JOIN task_stages s ON s.task_id = w.task_id AND s.name = w.stage
