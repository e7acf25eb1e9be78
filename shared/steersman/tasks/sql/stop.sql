-- End tasks from outside: cancelled by a person, or failed because a deadline passed; and with them the open tasks that
-- they started, and those that these started. Stages first, then tasks.
WITH RECURSIVE named AS (
  SELECT * FROM unnest(%(task_ids)s::uuid[], %(errors)s::jsonb[], %(entries)s::uuid[]) AS n (task_id, error, entry_id)
  UNION
  SELECT c.id, n.error, NULL::uuid
  FROM named n JOIN task_histories c ON c.parent_task_id = n.task_id
  WHERE c.status IN ('pending', 'running', 'awaiting', 'retrying')
), open AS (
  SELECT s.task_id, s.name, CASE WHEN s.status = 'running' THEN s.started_id END AS started_id
  FROM task_stages s JOIN named n ON n.task_id = s.task_id
  WHERE s.status IN ('pending', 'ready', 'running', 'awaiting')
  ORDER BY s.task_id, s.name
  FOR UPDATE OF s
), ending AS (
  SELECT t.id, n.error, n.entry_id
  FROM task_histories t JOIN named n ON n.task_id = t.id
  WHERE t.status IN ('pending', 'running', 'awaiting', 'retrying')
    AND (SELECT count(*) FROM open) >= 0  -- the stages' locks come first
  ORDER BY t.id
  FOR UPDATE OF t
), cancelled AS (
  UPDATE task_stages s
  SET status = 'cancelled', finished_at = clock_timestamp(), lease_id = NULL, lease_expires_at = NULL
  FROM open o JOIN ending e ON e.id = o.task_id
  WHERE s.task_id = o.task_id AND s.name = o.name AND s.status IN ('pending', 'ready', 'running', 'awaiting')
  RETURNING s.task_id, s.name, s.project_id, s.attempt, o.started_id, s.started_at
), ended AS (
  UPDATE task_histories t
  SET status = %(status)s, error = e.error, finished_at = clock_timestamp()
  FROM ending e
  WHERE t.id = e.id AND t.status IN ('pending', 'running', 'awaiting', 'retrying')
  RETURNING t.id, t.project_id, t.error, t.parent_task_id, e.entry_id
), audited AS (
  INSERT INTO audit_entries (id, project_id, by, action, target, detail)
  SELECT entry_id, project_id, %(by)s, 'task.' || %(status)s, 'task/' || id, jsonb_strip_nulls(jsonb_build_object('error', error))
  FROM ended WHERE %(by)s::text IS NOT NULL AND entry_id IS NOT NULL
)
INSERT INTO task_stage_logs (task_id, project_id, stage, event, attempt, detail, started_id, started_at, created_at)
SELECT task_id, project_id, stage, event, attempt, detail, started_id,
       CASE WHEN started_id IS NOT NULL THEN started_at END, clock_timestamp()
FROM (
  SELECT 1 AS rank, task_id, project_id, name AS stage, 'stage.cancelled' AS event, attempt, '{}'::jsonb AS detail,
         started_id, started_at
  FROM cancelled
  UNION ALL
  SELECT 2, id, project_id, NULL, 'task.' || %(status)s, NULL,
         jsonb_strip_nulls(jsonb_build_object('error', error, 'parent', parent_task_id)),
         NULL, NULL
  FROM ended
) AS facts
ORDER BY rank, task_id, stage
RETURNING id, task_id, stage, event, attempt, detail::text, created_at, started_id, started_at, frees
