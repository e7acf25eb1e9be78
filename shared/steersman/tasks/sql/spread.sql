-- Note that a leased stage has started tasks and waits for them; a row comes back while the lease is held.
-- That it started is told by this line, and by none after it.
WITH held AS (
  SELECT task_id, name, started_id FROM task_stages
  WHERE task_id = %(task_id)s AND name = %(stage)s AND status = 'running' AND lease_id = %(lease_id)s
  FOR UPDATE
), spread AS (
  UPDATE task_stages s
  SET lease_id = NULL, lease_expires_at = NULL, started_id = NULL, error = NULL, children = %(children)s, children_open = %(children)s,
      children_failed = 0, children_tolerated = %(tolerated)s, next_child = least(%(window)s, %(children)s)
  FROM held h
  WHERE s.task_id = h.task_id AND s.name = h.name
  RETURNING s.task_id, s.project_id, s.name, s.attempt, h.started_id, s.started_at
)
INSERT INTO task_stage_logs (task_id, project_id, stage, event, attempt, detail, started_id, started_at, created_at)
SELECT task_id, project_id, name, 'stage.spread', attempt, jsonb_build_object('tasks', %(children)s::int), started_id, started_at,
       clock_timestamp()
FROM spread
RETURNING id, task_id, stage, event, attempt, detail::text, created_at, started_id, started_at, frees
