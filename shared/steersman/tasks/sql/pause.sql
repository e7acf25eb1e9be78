-- Pause an open task and the open tasks that it started: stages that run end, none begins.
WITH RECURSIVE family AS (
  SELECT %(task_id)s::uuid AS id
  UNION
  SELECT c.id FROM family f JOIN task_histories c ON c.parent_task_id = f.id
  WHERE c.status IN ('pending', 'running', 'awaiting', 'retrying')
), paused AS (
  UPDATE task_histories t
  SET paused = %(paused)s || jsonb_build_object('at', to_jsonb(clock_timestamp()))
  FROM (SELECT id FROM family ORDER BY id) f
  WHERE t.id = f.id AND t.paused IS NULL AND t.status IN ('pending', 'running', 'awaiting', 'retrying')
  RETURNING t.id, t.project_id
)
INSERT INTO task_stage_logs (task_id, project_id, event, detail, created_at)
SELECT id, project_id, 'task.paused', %(paused)s, clock_timestamp() FROM paused ORDER BY id
RETURNING id, task_id, stage, event, attempt, detail::text, created_at, started_id, started_at, frees
