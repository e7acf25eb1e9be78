-- Change the limits of an open task, and let its stages (and those of the tasks that it started) go on that wait because
-- a budget was spent. A new deadline is also that of started tasks that had to end with it. Rows: what is to be sent;
-- one of nulls says that the task is open and nothing waits.
WITH RECURSIVE amended AS (
  UPDATE task_histories t
  SET constraints = t.constraints || %(changes)s,
      deadline_at = coalesce(t.created_at + make_interval(secs => %(deadline_s)s), t.deadline_at),
      status = CASE WHEN t.status = 'awaiting' AND EXISTS (
                      SELECT FROM task_stages s
                      WHERE s.task_id = t.id AND s.status = 'awaiting' AND s.error ->> 'code' = 'budget_spent')
                    THEN 'running' ELSE t.status END
  FROM task_histories old
  WHERE t.id = %(task_id)s AND old.id = %(task_id)s AND t.status IN ('pending', 'running', 'awaiting', 'retrying')
  RETURNING t.id, old.deadline_at AS before, t.deadline_at AS after
), family AS (
  SELECT id, before, after FROM amended
  UNION
  SELECT c.id, f.before, f.after FROM family f JOIN task_histories c ON c.parent_task_id = f.id
  WHERE c.status IN ('pending', 'running', 'awaiting', 'retrying')
), freed AS (
  UPDATE task_stages s
  SET status = 'ready', error = NULL, awaited_at = NULL, ready_at = clock_timestamp(), resent_at = NULL
  FROM family f
  WHERE s.task_id = f.id AND s.status = 'awaiting' AND s.error ->> 'code' = 'budget_spent'
  RETURNING s.task_id, s.project_id, s.name, s.queue, s.attempt
), started AS (
  UPDATE task_histories t
  SET status = CASE WHEN f.going AND t.status = 'awaiting' THEN 'running' ELSE t.status END,
      -- Pauses may have moved it by a little more or less than that of the task above.
      deadline_at = CASE WHEN t.deadline_at > least(f.before - interval '1 second', f.after) THEN f.after ELSE t.deadline_at END
  FROM (SELECT *, EXISTS (SELECT FROM freed r WHERE r.task_id = f.id) AS going FROM family f) f
  WHERE t.id = f.id AND t.id <> %(task_id)s AND (f.going OR f.before <> f.after)
), timed AS (
  UPDATE task_timers m
  SET due_at = f.after
  FROM family f
  WHERE m.task_id = f.id AND m.stage = '' AND m.due_at > f.after
)
SELECT f.task_id, f.project_id, f.name AS stage, f.queue, f.attempt, t.priority
FROM amended a LEFT JOIN freed f ON true LEFT JOIN task_histories t ON t.id = f.task_id
