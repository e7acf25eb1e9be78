-- Begin to undo tasks that fail: cancel what is open of them and of the tasks that they started, and put the stages that
-- undo what has completed into a row, the last that completed first; each names the next in its `answer`. A task of
-- which nothing is to be undone fails at once.
WITH RECURSIVE named AS (
  SELECT * FROM unnest(%(task_ids)s::uuid[], %(errors)s::jsonb[]) AS n (task_id, error)
), family AS (
  SELECT task_id FROM named
  UNION
  SELECT c.id FROM family f JOIN task_histories c ON c.parent_task_id = f.task_id
  WHERE c.status IN ('pending', 'running', 'awaiting', 'retrying')
), open AS (
  SELECT s.task_id, s.name, CASE WHEN s.status = 'running' THEN s.started_id END AS started_id
  FROM task_stages s JOIN family n ON n.task_id = s.task_id
  WHERE s.status IN ('pending', 'ready', 'running', 'awaiting')
  ORDER BY s.task_id, s.name
  FOR UPDATE OF s
), ending AS (
  SELECT t.id, t.project_id, t.template_id, n.error, n.task_id IS NOT NULL AS named
  FROM task_histories t JOIN family f ON f.task_id = t.id LEFT JOIN named n ON n.task_id = t.id
  WHERE t.status IN ('pending', 'running', 'awaiting', 'retrying') AND t.failing IS NULL
    AND (SELECT count(*) FROM open) >= 0  -- the stages' locks come first
  ORDER BY t.id
  FOR UPDATE OF t
), cancelled AS (
  UPDATE task_stages s
  SET status = 'cancelled', finished_at = clock_timestamp(), lease_id = NULL, lease_expires_at = NULL
  FROM open o JOIN ending e ON e.id = o.task_id
  WHERE s.task_id = o.task_id AND s.name = o.name AND s.status IN ('pending', 'ready', 'running', 'awaiting')
  RETURNING s.task_id, s.name, s.project_id, s.attempt, o.started_id, s.started_at
), chain AS (
  SELECT e.id AS task_id, e.project_id, u.name, u.position, u.queue, u.capability,
         row_number() OVER back AS place, lead(u.name) OVER back AS next_name
  FROM ending e
  JOIN unnest(%(template_ids)s::uuid[], %(undone)s::text[], %(names)s::text[], %(positions)s::int[], %(queues)s::text[],
              %(capabilities)s::text[]) AS u (template_id, undone, name, position, queue, capability)
    ON u.template_id = e.template_id
  JOIN task_stages s ON s.task_id = e.id AND s.name = u.undone AND s.status = 'completed'
  WHERE e.named
  WINDOW back AS (PARTITION BY e.id ORDER BY s.finished_at DESC, s.name DESC)
), undoing AS (
  INSERT INTO task_stages (task_id, project_id, name, position, queue, capability, pending_needs, status, ready_at, answer)
  SELECT task_id, project_id, name, position, queue, capability, (place > 1)::int,
         CASE WHEN place = 1 THEN 'ready' ELSE 'pending' END, CASE WHEN place = 1 THEN clock_timestamp() END,
         jsonb_build_object('then', next_name)
  FROM chain
  RETURNING task_id, name, status
), ended AS (
  UPDATE task_histories t
  SET status = CASE WHEN NOT e.named THEN 'cancelled'
                    WHEN EXISTS (SELECT FROM undoing u WHERE u.task_id = e.id) THEN 'running' ELSE 'failed' END,
      failing = CASE WHEN EXISTS (SELECT FROM undoing u WHERE u.task_id = e.id) THEN e.error END,
      open_sinks = CASE WHEN EXISTS (SELECT FROM undoing u WHERE u.task_id = e.id) THEN 1 ELSE t.open_sinks END,
      error = CASE WHEN e.named THEN e.error ELSE jsonb_build_object('code', 'cancelled', 'message', 'its parent failed') END,
      finished_at = CASE WHEN NOT EXISTS (SELECT FROM undoing u WHERE u.task_id = e.id) THEN clock_timestamp() END
  FROM ending e
  WHERE t.id = e.id AND t.status IN ('pending', 'running', 'awaiting', 'retrying')
  RETURNING t.id, t.project_id, t.error, t.status, t.parent_task_id
)
INSERT INTO task_stage_logs (task_id, project_id, stage, event, attempt, detail, started_id, started_at, frees, created_at)
SELECT task_id, project_id, stage, event, attempt, detail, started_id,
       CASE WHEN started_id IS NOT NULL THEN started_at END, frees, clock_timestamp()
FROM (
  SELECT 1 AS rank, task_id, project_id, name AS stage, 'stage.cancelled' AS event, attempt, '{}'::jsonb AS detail,
         started_id, started_at, NULL::text[] AS frees
  FROM cancelled
  UNION ALL
  SELECT 2, id, project_id, NULL, CASE WHEN status = 'running' THEN 'task.undoing' ELSE 'task.' || status END, NULL,
         jsonb_strip_nulls(jsonb_build_object('error', error, 'parent', parent_task_id)), NULL, NULL,
         (SELECT array_agg(u.name) FROM undoing u WHERE u.task_id = ended.id AND u.status = 'ready')
  FROM ended
) AS facts
ORDER BY rank, task_id, stage
RETURNING id, task_id, stage, event, attempt, detail::text, created_at, started_id, started_at, frees
