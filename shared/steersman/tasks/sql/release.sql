-- Let held stages of a project's template or queue go on, oldest first; rows: what is to be sent.
WITH held AS (
  SELECT s.task_id, s.name, t.priority
  FROM task_histories t JOIN task_stages s ON s.task_id = t.id
  WHERE t.project_id = %(project_id)s AND t.status IN ('pending', 'running', 'retrying')
    AND CASE %(scope)s WHEN 'template' THEN t.template_name = %(name)s ELSE s.queue = %(name)s END AND s.status = 'ready' AND s.resent_at = 'infinity' AND t.paused IS NULL
    AND NOT EXISTS (  -- an item whose turn has not come
      SELECT FROM task_stages p
      WHERE p.task_id = t.parent_task_id AND p.name = t.parent_stage AND p.attempt = t.parent_attempt
        AND t.item >= p.next_child)
  ORDER BY s.task_id, s.name
  LIMIT %(limit)s
)
UPDATE task_stages s
SET resent_at = NULL, ready_at = clock_timestamp()
FROM held h
WHERE s.task_id = h.task_id AND s.name = h.name AND s.status = 'ready'
RETURNING s.task_id, s.project_id, s.name AS stage, s.queue, s.attempt, h.priority
