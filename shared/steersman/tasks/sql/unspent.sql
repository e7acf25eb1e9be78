-- Let stages go on that wait for a budget which is not spent, or no longer: their tasks' own, or that of the task above.
-- The locks have this see a budget that is just being raised, or have who raises it see the stages. Rows: what is to be
-- sent.
WITH tasks AS (
  SELECT t.id, t.priority, t.parent_task_id,
         t.cost_usd > 0 AND t.cost_usd >= (t.constraints ->> 'budget_usd')::numeric
           OR t.tokens >= (t.constraints ->> 'budget_tokens')::bigint AS spent
  FROM (SELECT * FROM unnest(%(task_ids)s::uuid[]) AS n (id) ORDER BY id LIMIT %(count)s) n
  JOIN task_histories t ON t.id = n.id
  ORDER BY t.id
  FOR UPDATE OF t
), above AS (
  SELECT p.id, p.cost_usd > 0 AND p.cost_usd >= (p.constraints ->> 'budget_usd')::numeric
               OR p.tokens >= (p.constraints ->> 'budget_tokens')::bigint AS spent
  FROM task_histories p
  WHERE p.id IN (SELECT parent_task_id FROM tasks)
  ORDER BY p.id
  FOR UPDATE OF p
), freed AS (
  UPDATE task_stages s
  SET status = 'ready', error = NULL, awaited_at = NULL, ready_at = clock_timestamp(), resent_at = NULL
  FROM tasks t LEFT JOIN above p ON p.id = t.parent_task_id
  WHERE s.task_id = t.id AND s.status = 'awaiting' AND s.error ->> 'code' = 'budget_spent'
    AND t.spent IS NOT TRUE AND p.spent IS NOT TRUE
    AND NOT EXISTS (SELECT FROM task_timers m WHERE m.task_id = s.task_id AND m.stage = s.name AND m.day_budget)
  RETURNING s.task_id, s.project_id, s.name, s.queue, s.attempt, t.priority
), going AS (
  UPDATE task_histories t
  SET status = 'running'
  FROM (SELECT DISTINCT task_id FROM freed) f
  WHERE t.id = f.task_id AND t.status = 'awaiting'
)
SELECT task_id, project_id, name AS stage, queue, attempt, priority FROM freed
