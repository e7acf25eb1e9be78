-- Carry out the decisions on a batch of attempts that fail their task: store the errors, cancel what is open of the
-- tasks, end them, write the dead letters and the log. An attempt counts only while its lease is held; of another nothing comes back.
WITH decided AS (
  SELECT * FROM unnest(
    %(task_ids)s::uuid[], %(stages)s::text[], %(leases)s::uuid[], %(errors)s::jsonb[], %(agent_ids)s::uuid[],
    %(agent_names)s::text[], %(models)s::text[], %(costs)s::numeric[], %(tokens)s::bigint[], %(letters)s::uuid[])
  AS d (task_id, stage, lease_id, error, agent_id, agent_name, model, cost_usd, tokens, letter_id)
  LIMIT %(count)s
), ended AS (
  UPDATE task_stages s
  SET status = 'failed', error = d.error, agent_id = d.agent_id, agent_name = d.agent_name, model = d.model,
      cost_usd = s.cost_usd + d.cost_usd, tokens = s.tokens + d.tokens, lease_expires_at = NULL,
      finished_at = clock_timestamp()
  FROM decided d
  WHERE s.task_id = d.task_id AND s.name = d.stage AND s.status = 'running' AND s.lease_id = d.lease_id
  RETURNING s.task_id, s.name, s.project_id, s.queue, s.capability, s.attempt, d.error, d.agent_id, d.agent_name,
            d.model, d.cost_usd, d.tokens, d.letter_id, s.finished_at, s.started_id, s.started_at, (date_part('epoch', clock_timestamp() - s.started_at) * 1000)::bigint AS duration_ms
), doomed AS (
  SELECT task_id, (array_agg(error || jsonb_build_object('stage', name) ORDER BY name))[1] AS error,
         array_agg(name) AS names, sum(cost_usd) AS cost_usd, sum(tokens) AS tokens
  FROM ended GROUP BY task_id ORDER BY task_id LIMIT %(count)s
), unneeded AS (
  SELECT s.task_id, s.name, CASE WHEN s.status = 'running' THEN s.started_id END AS started_id
  FROM doomed f JOIN task_stages s ON s.task_id = f.task_id
  WHERE s.status IN ('pending', 'ready', 'running', 'awaiting') AND s.name <> ALL (f.names)
  ORDER BY s.task_id, s.name
  FOR UPDATE OF s
), cancelled AS (
  UPDATE task_stages s
  SET status = 'cancelled', finished_at = clock_timestamp(), lease_id = NULL, lease_expires_at = NULL
  FROM (SELECT * FROM unneeded LIMIT %(count)s * 1000) u
  WHERE s.task_id = u.task_id AND s.name = u.name AND s.status IN ('pending', 'ready', 'running', 'awaiting')
  RETURNING s.task_id, s.name, s.project_id, s.attempt, u.started_id, s.started_at
), finished AS (
  UPDATE task_histories t
  SET status = 'failed', error = f.error, cost_usd = t.cost_usd + f.cost_usd, tokens = t.tokens + f.tokens,
      finished_at = clock_timestamp()
  FROM doomed f
  WHERE t.id = f.task_id AND t.status IN ('pending', 'running', 'awaiting', 'retrying')
    AND (SELECT count(*) FROM cancelled) >= 0  -- the stages' locks come first
  RETURNING t.id, t.project_id, t.quality_score, t.cost_usd, t.error, t.template_name, t.template_version,
            t.parent_task_id
), letters AS (
  INSERT INTO dead_letters (id, project_id, task_id, stage, template_name, template_version, queue, capability, attempt,
    error_code, error, failed_at)
  SELECT e.letter_id, e.project_id, e.task_id, e.name, f.template_name, f.template_version, e.queue, e.capability,
         e.attempt, coalesce(e.error ->> 'code', 'unknown'), e.error, e.finished_at
  FROM ended e JOIN finished f ON f.id = e.task_id
), measured AS (
  INSERT INTO agent_performance AS p (agent_id, project_id, capability, bucket_start, slot, calls, failures, timeouts,
    duration_ms_sum, duration_ms_max, cost_usd, tokens)
  SELECT e.agent_id, e.project_id, e.capability, date_trunc('hour', now()), coalesce((
           SELECT slot FROM generate_series(0, 31) AS slot
           WHERE pg_try_advisory_xact_lock(hashtext('agent_performance'), slot) LIMIT 1), 0), count(*), count(*),
         count(*) FILTER (WHERE e.error ->> 'code' = 'stage_timeout'),
         sum(e.duration_ms), max(e.duration_ms), sum(e.cost_usd), sum(e.tokens)
  FROM ended e
  WHERE e.agent_id IS NOT NULL
  GROUP BY e.project_id, e.agent_id, e.capability
  HAVING EXISTS (SELECT FROM agents a WHERE a.id = e.agent_id)  -- it may have been removed meanwhile
  ORDER BY e.project_id, e.agent_id, e.capability
  ON CONFLICT (project_id, agent_id, capability, bucket_start, slot) DO UPDATE SET
    calls = p.calls + excluded.calls, failures = p.failures + excluded.failures,
    timeouts = p.timeouts + excluded.timeouts, duration_ms_sum = p.duration_ms_sum + excluded.duration_ms_sum,
    duration_ms_max = greatest(p.duration_ms_max, excluded.duration_ms_max),
    cost_usd = p.cost_usd + excluded.cost_usd, tokens = p.tokens + excluded.tokens
)
INSERT INTO task_stage_logs (task_id, project_id, stage, event, attempt, agent_id, detail, started_id, started_at,
  created_at)
SELECT task_id, project_id, stage, event, attempt, agent_id, detail, started_id,
       CASE WHEN started_id IS NOT NULL THEN started_at END, clock_timestamp()
FROM (
  SELECT 1 AS rank, task_id, project_id, name AS stage, 'stage.failed' AS event, attempt, agent_id,
         jsonb_strip_nulls(jsonb_build_object('agent', agent_name, 'model', model, 'duration_ms', duration_ms,
           'error', error)) AS detail, started_id, started_at
  FROM ended
  UNION ALL
  SELECT 2, task_id, project_id, name, 'stage.cancelled', attempt, NULL, '{}', started_id, started_at FROM cancelled
  UNION ALL
  SELECT 3, id, project_id, NULL, 'task.failed', NULL, NULL,
         jsonb_strip_nulls(jsonb_build_object('quality_score', quality_score, 'cost_usd', cost_usd::text,
           'parent', parent_task_id, 'error', error)),
         NULL, NULL
  FROM finished
) AS facts
ORDER BY rank
RETURNING id, task_id, stage, event, attempt, detail::text, created_at, started_id, started_at, frees
