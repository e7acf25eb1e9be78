-- Let stages go on that wait because their project's budget of the day was spent, oldest first. Rows: what is to be sent;
-- `taken` says how many of those that were noted were looked at, in one row of nulls where none of them still waits.
WITH taken AS (
  DELETE FROM task_timers m
  USING (SELECT task_id, stage FROM task_timers
         WHERE project_id = %(project_id)s AND day_budget
         ORDER BY task_id, stage LIMIT %(limit)s FOR UPDATE SKIP LOCKED) d
  WHERE m.task_id = d.task_id AND m.stage = d.stage
  RETURNING m.task_id, m.stage
), freed AS (
  UPDATE task_stages s
  SET status = 'ready', error = NULL, ready_at = clock_timestamp(), resent_at = NULL
  FROM (SELECT * FROM taken ORDER BY task_id, stage LIMIT %(limit)s) m
  WHERE s.task_id = m.task_id AND s.name = m.stage AND s.status = 'awaiting' AND s.error ->> 'code' = 'budget_spent'
  RETURNING s.task_id, s.project_id, s.name, s.queue, s.attempt
), going AS (
  UPDATE task_histories t
  SET status = 'running'
  FROM (SELECT DISTINCT task_id FROM freed ORDER BY task_id LIMIT %(limit)s) f
  WHERE t.id = f.task_id AND t.status = 'awaiting'
)
SELECT n.taken, f.task_id, f.project_id, f.name AS stage, f.queue, f.attempt, t.priority
FROM (SELECT count(*) AS taken FROM taken) n
LEFT JOIN freed f ON true LEFT JOIN task_histories t ON t.id = f.task_id
