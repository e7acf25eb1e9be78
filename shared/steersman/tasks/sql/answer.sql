-- Give an answer to a stage that waits for one, so that it goes on; its row comes back. One that has its answer, or does
-- not wait, stays as it is.
WITH answered AS (
  UPDATE task_stages s
  SET status = 'ready', answer = %(answer)s, ready_at = clock_timestamp(), resent_at = NULL
  WHERE s.task_id = %(task_id)s AND s.name = %(stage)s AND s.status = 'awaiting' AND s.answer IS NULL
  RETURNING s.task_id, s.name, s.project_id, s.attempt, s.queue
), going AS (
  UPDATE task_histories t
  SET status = 'running'
  FROM answered a
  WHERE t.id = a.task_id AND t.status IN ('pending', 'running', 'awaiting', 'retrying')
  RETURNING t.priority
)
INSERT INTO task_stage_logs (task_id, project_id, stage, event, attempt, detail, created_at)
SELECT task_id, project_id, name, 'stage.answered', attempt, %(detail)s, clock_timestamp()
FROM answered, going
RETURNING id, task_id, stage, event, attempt, detail::text, created_at, started_id, started_at, frees
