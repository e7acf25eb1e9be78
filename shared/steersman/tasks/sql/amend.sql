-- Change the limits of an open task, and let its stages (and those of the tasks that it started) go on that wait because
-- a budget was spent. Rows: what is to be sent; one of nulls says that the task is open and nothing waits.
WITH RECURSIVE amended AS (
  UPDATE task_histories t
  SET constraints = t.constraints || %(changes)s,
      deadline_at = coalesce(t.created_at + make_interval(secs => %(deadline_s)s), t.deadline_at),
      status = CASE WHEN t.status = 'awaiting' AND EXISTS (
                      SELECT FROM task_stages s
                      WHERE s.task_id = t.id AND s.status = 'awaiting' AND s.error ->> 'code' = 'budget_spent')
                    THEN 'running' ELSE t.status END
  WHERE t.id = %(task_id)s AND t.status IN ('pending', 'running', 'awaiting', 'retrying')
  RETURNING t.id
), family AS (
  SELECT id FROM amended
  UNION
  SELECT c.id FROM family f JOIN task_histories c ON c.parent_task_id = f.id
  WHERE c.status IN ('pending', 'running', 'awaiting', 'retrying')
), freed AS (
  UPDATE task_stages s
  SET status = 'ready', error = NULL, awaited_at = NULL, ready_at = clock_timestamp(), resent_at = NULL
  FROM family f
  WHERE s.task_id = f.id AND s.status = 'awaiting' AND s.error ->> 'code' = 'budget_spent'
  RETURNING s.task_id, s.project_id, s.name, s.queue, s.attempt
), going AS (
  UPDATE task_histories t
  SET status = 'running'
  FROM (SELECT DISTINCT task_id FROM freed) f
  WHERE t.id = f.task_id AND t.id <> %(task_id)s AND t.status = 'awaiting'
)
SELECT f.task_id, f.project_id, f.name AS stage, f.queue, f.attempt, t.priority
FROM amended a LEFT JOIN freed f ON true LEFT JOIN task_histories t ON t.id = f.task_id
