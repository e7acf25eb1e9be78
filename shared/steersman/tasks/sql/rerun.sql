-- Have ended tasks run again: what is named of their stages begins anew, everything else keeps its result. A task whose
-- end is not the one that was looked at (`ended_at`) stays as it is: it runs again already, or has ended anew since.
-- Only what has ended has a time of its end; its status is not asked for, because that would lead through an index of
-- all tasks that ever ended.
-- All stages of the tasks are locked before the tasks, as everywhere. Attempts go on counting, so that no message and
-- no result of an earlier run is taken for one of this; those of before are remembered, for retries are counted anew.
-- The task's output stays where its stage is not among those that begin anew. What is to start later than a message can
-- wait (resent_at '-infinity') is sent by the sweep when its time has come.
WITH named AS (
  SELECT * FROM unnest(%(task_ids)s::uuid[], %(ended_at)s::timestamptz[], %(open_sinks)s::int[], %(deadlines_s)s::float8[],
    %(delays_s)s::float8[], %(gives_output)s::bool[], %(details)s::jsonb[])
    AS n (task_id, ended_at, open_sinks, deadline_s, delay_s, gives_output, detail)
  LIMIT %(count)s
), anew AS (
  SELECT * FROM unnest(%(stage_task_ids)s::uuid[], %(stages)s::text[], %(statuses)s::text[], %(pending_needs)s::int[],
    %(inputs)s::jsonb[]) AS a (task_id, stage, status, pending_needs, input)
  LIMIT %(count)s * 1000
), locked AS (
  SELECT s.task_id, s.name
  FROM named n JOIN task_stages s ON s.task_id = n.task_id
  ORDER BY s.task_id, s.name
  FOR UPDATE OF s
), resuming AS (
  SELECT t.id, n.open_sinks, n.deadline_s, n.delay_s, n.gives_output, n.detail
  FROM named n JOIN task_histories t ON t.id = n.task_id
  WHERE t.finished_at = n.ended_at
    AND (SELECT count(*) FROM locked) >= 0  -- the stages' locks come first
  ORDER BY t.id
  FOR UPDATE OF t
), reset AS (
  UPDATE task_stages s
  SET status = a.status, pending_needs = a.pending_needs, input = coalesce(a.input, s.input),
      -- One that was put back to wait for a place has had its attempts, though none runs.
      base_attempt = CASE WHEN s.started_at IS NULL AND s.attempt = s.base_attempt + 1 THEN s.base_attempt ELSE s.attempt END,
      attempt = s.attempt + (s.started_at IS NOT NULL OR s.attempt > s.base_attempt + 1)::int,
      lease_id = NULL, lease_expires_at = NULL, agent_id = NULL, agent_name = NULL, model = NULL, output = NULL,
      awaited_at = NULL, answer = NULL, children = NULL, children_open = NULL, children_failed = NULL,
      children_tolerated = NULL, next_child = NULL, error = NULL, started_at = NULL, started_id = NULL, lost_id = NULL, lost_at = NULL, finished_at = NULL,
      ready_at = CASE WHEN a.status = 'ready' THEN clock_timestamp() + make_interval(secs => r.delay_s) END,
      resent_at = CASE WHEN a.status = 'ready' AND r.delay_s > 900 THEN timestamptz '-infinity' END
  FROM anew a JOIN resuming r ON r.id = a.task_id
  WHERE s.task_id = a.task_id AND s.name = a.stage
  RETURNING s.task_id, s.project_id, s.name, s.queue, s.status, s.attempt, s.position
), ready AS (
  SELECT task_id, array_agg(name ORDER BY position) AS names,
         jsonb_agg(jsonb_build_object('stage', name, 'queue', queue, 'attempt', attempt,
           'project_id', project_id)) AS jobs
  FROM reset WHERE status = 'ready' GROUP BY task_id
), resumed AS (
  UPDATE task_histories t
  SET status = 'pending', error = NULL, paused = NULL, finished_at = NULL, open_sinks = r.open_sinks,
      output = CASE WHEN NOT r.gives_output THEN t.output END,
      quality_score = CASE WHEN NOT r.gives_output THEN t.quality_score END,
      deadline_at = clock_timestamp() + make_interval(secs => r.delay_s + r.deadline_s)
  FROM resuming r
  WHERE t.id = r.id
  RETURNING t.id, t.project_id, t.priority, r.delay_s, r.gives_output, r.detail
), unfounded AS (
  DELETE FROM evidence e USING resumed r WHERE e.task_id = r.id AND r.gives_output  -- the answer that it was of is gone
), letters AS (
  UPDATE dead_letters l
  SET status = 'redriven', decided_by = %(by)s, decided_at = clock_timestamp()
  FROM (SELECT id FROM resumed
        UNION ALL SELECT c.id FROM resumed r JOIN task_histories c ON c.parent_task_id = r.id) f
  WHERE l.task_id = f.id AND l.status = 'open'
  RETURNING l.id
), logged AS (
  INSERT INTO task_stage_logs (task_id, project_id, event, detail, frees, created_at)
  SELECT r.id, r.project_id, 'task.rerun', r.detail, ready.names, clock_timestamp()
  FROM resumed r JOIN ready ON ready.task_id = r.id
  ORDER BY r.id
  RETURNING id, task_id, stage, event, attempt, detail::text, created_at, started_id, started_at, frees
)
SELECT l.id, l.task_id, l.stage, l.event, l.attempt, l.detail, l.created_at, l.started_id, l.started_at, l.frees,
       r.priority, r.delay_s, ready.jobs, (SELECT count(*) FROM letters) AS letters
FROM resumed r JOIN ready ON ready.task_id = r.id JOIN logged l ON l.task_id = r.id
