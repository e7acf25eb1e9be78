-- Tasks of which nothing goes on but some stage waits are awaiting: the sweep looks at their timers, not at them; one of
-- stage '' is for the task's deadline. Who runs this holds the tasks' rows since before: what is just answered sets its
-- task going after this, or is seen by it.
WITH quiet AS (
  UPDATE task_histories t
  SET status = 'awaiting'
  FROM (SELECT * FROM unnest(%(task_ids)s::uuid[]) AS n (id) ORDER BY id LIMIT %(count)s) n
  WHERE t.id = n.id AND t.status IN ('pending', 'running', 'retrying')
    AND EXISTS (SELECT FROM task_stages s WHERE s.task_id = n.id AND s.status = 'awaiting')
    AND NOT EXISTS (SELECT FROM task_stages s WHERE s.task_id = n.id AND s.status IN ('ready', 'running'))
  RETURNING t.id, t.project_id, t.deadline_at
)
INSERT INTO task_timers (task_id, stage, project_id, due_at)
SELECT id, '', project_id, deadline_at FROM quiet
ORDER BY 1
ON CONFLICT (task_id, stage) DO UPDATE SET due_at = excluded.due_at
