-- Set leased stages waiting, for an answer or until a time. A wait counts only while its lease is held. Timers say when
-- the sweep is to look at a stage.
-- Who waits for a budget has not begun the wait of its own: its time is not counted, so that nobody takes it for that.
WITH decided AS (
  SELECT * FROM unnest(%(task_ids)s::uuid[], %(stages)s::text[], %(leases)s::uuid[], %(due)s::timestamptz[],
                       %(look)s::timestamptz[], %(errors)s::jsonb[], %(details)s::jsonb[])
    AS d (task_id, stage, lease_id, due_at, look_at, error, detail)
  LIMIT %(count)s
), waiting AS (
  UPDATE task_stages s
  SET status = 'awaiting', ready_at = d.due_at, error = d.error,
      awaited_at = CASE WHEN d.error IS NULL THEN coalesce(s.awaited_at, s.started_at) ELSE s.awaited_at END,
      lease_expires_at = NULL, resent_at = NULL
  FROM decided d
  WHERE s.task_id = d.task_id AND s.name = d.stage AND s.status = 'running' AND s.lease_id = d.lease_id
  RETURNING s.task_id, s.name, s.project_id, s.attempt, s.started_id, s.started_at, d.look_at, d.detail
), timed AS (
  INSERT INTO task_timers (task_id, stage, project_id, due_at, day_budget)
  SELECT w.task_id, w.name, w.project_id, coalesce(w.look_at, t.deadline_at),
         coalesce(w.detail ->> 'scope' = 'project_day', false)
  FROM waiting w JOIN task_histories t ON t.id = w.task_id
  ORDER BY 1, 2
  ON CONFLICT (task_id, stage) DO UPDATE SET due_at = excluded.due_at, day_budget = excluded.day_budget
)
INSERT INTO task_stage_logs (task_id, project_id, stage, event, attempt, detail, started_id, started_at, created_at)
SELECT task_id, project_id, name, 'stage.awaiting', attempt, detail, started_id, started_at, clock_timestamp()
FROM waiting
ORDER BY task_id, name
RETURNING id, task_id, stage, event, attempt, detail::text, created_at, started_id, started_at, frees
