-- Let a paused task, and the paused tasks that it started, go on; their deadlines move by as long as they stood.
WITH RECURSIVE family AS (
  SELECT %(task_id)s::uuid AS id
  UNION
  SELECT c.id FROM family f JOIN task_histories c ON c.parent_task_id = f.id
  WHERE c.paused IS NOT NULL
), resumed AS (
  UPDATE task_histories t
  SET paused = NULL, deadline_at = t.deadline_at + (clock_timestamp() - (t.paused ->> 'at')::timestamptz)
  FROM (SELECT id FROM family ORDER BY id) f
  WHERE t.id = f.id AND t.paused IS NOT NULL AND t.status IN ('pending', 'running', 'awaiting', 'retrying')
  RETURNING t.id, t.project_id
), timed AS (
  UPDATE task_timers m SET due_at = now() FROM resumed r WHERE m.task_id = r.id
)
INSERT INTO task_stage_logs (task_id, project_id, event, detail, created_at)
SELECT id, project_id, 'task.resumed', jsonb_build_object('by', %(by)s::text), clock_timestamp() FROM resumed ORDER BY id
RETURNING id, task_id, stage, event, attempt, detail::text, created_at, started_id, started_at, frees
