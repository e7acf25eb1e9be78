-- Carry out the decisions on a batch of attempts: store results, release dependants, finish or fail tasks, write
-- the log. An attempt counts only while its lease is held; a late one is logged and changes nothing else.
WITH decided AS (
  SELECT * FROM unnest(
    %(task_ids)s::uuid[], %(stages)s::text[], %(leases)s::uuid[], %(statuses)s::text[], %(outputs)s::jsonb[],
    %(errors)s::jsonb[], %(delays_s)s::float8[], %(fails_task)s::bool[], %(ends_sink)s::bool[],
    %(gives_output)s::bool[], %(agent_ids)s::uuid[], %(agent_names)s::text[], %(models)s::text[],
    %(costs)s::numeric[], %(tokens)s::bigint[], %(qualities)s::float8[])
  AS d (task_id, stage, lease_id, status, output, error, delay_s, fails_task, ends_sink, gives_output,
        agent_id, agent_name, model, cost_usd, tokens, quality)
), held AS (
  SELECT s.task_id, s.name
  FROM task_stages s JOIN decided d ON s.task_id = d.task_id AND s.name = d.stage
  WHERE s.status = 'running' AND s.lease_id = d.lease_id
  ORDER BY s.task_id, s.name
  FOR UPDATE OF s
), dooming AS (
  SELECT DISTINCT h.task_id
  FROM held h JOIN decided d ON d.task_id = h.task_id AND d.stage = h.name
  WHERE d.fails_task
), ended AS (
  UPDATE task_stages s
  SET status = v.status, output = d.output, error = d.error, agent_id = d.agent_id, agent_name = d.agent_name,
      model = d.model, cost_usd = s.cost_usd + d.cost_usd, tokens = s.tokens + d.tokens,
      lease_id = NULL, lease_expires_at = NULL,
      attempt = s.attempt + (v.status = 'ready')::int,
      ready_at = CASE WHEN v.status = 'ready' THEN clock_timestamp() + make_interval(secs => d.delay_s) ELSE s.ready_at END,
      finished_at = CASE WHEN v.status = 'ready' THEN NULL ELSE clock_timestamp() END
  FROM held h JOIN decided d ON d.task_id = h.task_id AND d.stage = h.name
  CROSS JOIN LATERAL (
    -- A task that fails in this batch tries nothing again.
    SELECT CASE WHEN d.status = 'ready' AND d.task_id IN (SELECT task_id FROM dooming) THEN 'cancelled'
                ELSE d.status END AS status
  ) v
  WHERE s.task_id = h.task_id AND s.name = h.name
  RETURNING s.task_id, s.name, s.project_id, s.capability, s.status, s.attempt - (v.status = 'ready')::int AS attempt,
            d.output, d.error, CASE WHEN v.status = 'ready' THEN d.delay_s END AS delay_s, d.fails_task, d.ends_sink, d.gives_output, d.agent_id, d.agent_name, d.model,
            d.cost_usd, d.tokens, d.quality,
            (extract(epoch FROM clock_timestamp() - s.started_at) * 1000)::bigint AS duration_ms
), doomed AS (
  SELECT DISTINCT ON (task_id) task_id, project_id, name, error FROM ended WHERE fails_task ORDER BY task_id, name
), unneeded AS (
  SELECT s.task_id, s.name
  FROM task_stages s JOIN doomed f ON f.task_id = s.task_id
  WHERE s.status IN ('pending', 'ready', 'running', 'awaiting')
    AND NOT EXISTS (SELECT 1 FROM ended e WHERE e.task_id = s.task_id AND e.name = s.name)
  ORDER BY s.task_id, s.name
  FOR UPDATE OF s
), cancelled AS (
  UPDATE task_stages s
  SET status = 'cancelled', finished_at = clock_timestamp(), lease_id = NULL, lease_expires_at = NULL
  FROM unneeded u
  WHERE s.task_id = u.task_id AND s.name = u.name AND s.status IN ('pending', 'ready', 'running', 'awaiting')
  RETURNING s.task_id, s.name, s.project_id, s.attempt
), releases AS (
  SELECT r.task_id, r.dependant, count(*)::int AS needs
  FROM unnest(%(release_task_ids)s::uuid[], %(release_stages)s::text[], %(release_dependants)s::text[])
         AS r (task_id, stage, dependant)
  JOIN ended e ON e.task_id = r.task_id AND e.name = r.stage
  WHERE NOT EXISTS (SELECT 1 FROM doomed f WHERE f.task_id = r.task_id)
  GROUP BY r.task_id, r.dependant
), waiting AS (
  SELECT s.task_id, s.name, r.needs
  FROM task_stages s JOIN releases r ON r.task_id = s.task_id AND r.dependant = s.name
  ORDER BY s.task_id, s.name
  FOR UPDATE OF s
), released AS (
  UPDATE task_stages s
  SET pending_needs = s.pending_needs - w.needs,
      status = CASE WHEN s.pending_needs = w.needs THEN 'ready' ELSE s.status END,
      ready_at = CASE WHEN s.pending_needs = w.needs THEN clock_timestamp() END
  FROM waiting w
  WHERE s.task_id = w.task_id AND s.name = w.name AND s.status = 'pending'
  RETURNING s.task_id, s.name, s.project_id, s.status, s.attempt
), touched AS (
  SELECT task_id, count(*) FILTER (WHERE ends_sink)::int AS sinks, bool_or(fails_task) AS fails,
         bool_or(status = 'ready') AS retries, sum(cost_usd) AS cost_usd, sum(tokens) AS tokens,
         (array_agg(output) FILTER (WHERE gives_output))[1] AS output,
         (array_agg(quality) FILTER (WHERE gives_output))[1] AS quality
  FROM ended
  GROUP BY task_id
  HAVING bool_or(ends_sink OR fails_task OR gives_output OR status = 'ready') OR sum(cost_usd) > 0 OR sum(tokens) > 0
), counted AS (
  SELECT t.id FROM task_histories t JOIN touched o ON o.task_id = t.id ORDER BY t.id FOR UPDATE OF t
), finished AS (
  UPDATE task_histories t
  SET open_sinks = t.open_sinks - CASE WHEN o.fails THEN 0 ELSE o.sinks END,
      cost_usd = t.cost_usd + o.cost_usd,
      tokens = t.tokens + o.tokens,
      output = coalesce(o.output, t.output),
      quality_score = coalesce(o.quality, t.quality_score),
      error = CASE WHEN o.fails THEN (SELECT f.error || jsonb_build_object('stage', f.name) FROM doomed f WHERE f.task_id = t.id)
                   ELSE t.error END,
      status = CASE WHEN o.fails THEN 'failed' WHEN t.open_sinks = o.sinks THEN 'completed'
                    WHEN o.retries THEN 'retrying' ELSE t.status END,
      finished_at = CASE WHEN o.fails OR t.open_sinks = o.sinks THEN clock_timestamp() END
  FROM touched o JOIN counted c ON c.id = o.task_id
  WHERE t.id = o.task_id AND t.status IN ('pending', 'running', 'awaiting', 'retrying')
  RETURNING t.id, t.project_id, t.status, t.quality_score, t.cost_usd, t.error
), measured AS (
  INSERT INTO agent_performance AS p (agent_id, project_id, capability, bucket_start, calls, failures, timeouts,
    duration_ms_sum, duration_ms_max, cost_usd, tokens, quality_sum, quality_count)
  SELECT e.agent_id, e.project_id, e.capability, date_trunc('hour', now()), count(*),
         count(*) FILTER (WHERE e.error IS NOT NULL), count(*) FILTER (WHERE e.error ->> 'code' = 'stage_timeout'),
         sum(e.duration_ms), max(e.duration_ms), sum(e.cost_usd), sum(e.tokens),
         coalesce(sum(e.quality), 0), count(e.quality)
  FROM ended e JOIN agents a ON a.id = e.agent_id
  GROUP BY e.project_id, e.agent_id, e.capability ORDER BY e.project_id, e.agent_id, e.capability
  ON CONFLICT (project_id, agent_id, capability, bucket_start) DO UPDATE SET
    calls = p.calls + excluded.calls, failures = p.failures + excluded.failures,
    timeouts = p.timeouts + excluded.timeouts, duration_ms_sum = p.duration_ms_sum + excluded.duration_ms_sum,
    duration_ms_max = greatest(p.duration_ms_max, excluded.duration_ms_max),
    cost_usd = p.cost_usd + excluded.cost_usd, tokens = p.tokens + excluded.tokens,
    quality_sum = p.quality_sum + excluded.quality_sum, quality_count = p.quality_count + excluded.quality_count
)
INSERT INTO task_stage_logs (task_id, project_id, stage, event, attempt, agent_id, detail, created_at)
SELECT task_id, project_id, stage, event, attempt, agent_id, detail, clock_timestamp()
FROM (
  SELECT 1 AS rank, task_id, project_id, name AS stage,
         CASE status WHEN 'ready' THEN 'stage.retrying' ELSE 'stage.' || status END AS event, attempt, agent_id,
         jsonb_strip_nulls(jsonb_build_object('agent', agent_name, 'model', model, 'duration_ms', duration_ms,
           'retry_delay_s', delay_s, 'error', error)) AS detail
  FROM ended
  UNION ALL
  SELECT 1, d.task_id, s.project_id, d.stage, 'stage.late', s.attempt, d.agent_id,
         jsonb_build_object('status', d.status)
  FROM decided d JOIN task_stages s ON s.task_id = d.task_id AND s.name = d.stage
  WHERE NOT EXISTS (SELECT 1 FROM ended e WHERE e.task_id = d.task_id AND e.name = d.stage)
  UNION ALL
  SELECT 2, task_id, project_id, name, 'stage.cancelled', attempt, NULL, '{}' FROM cancelled
  UNION ALL
  SELECT 3, task_id, project_id, name, 'stage.ready', attempt, NULL, '{}' FROM released WHERE status = 'ready'
  UNION ALL
  SELECT 4, id, project_id, NULL, 'task.' || status, NULL, NULL,
         jsonb_strip_nulls(jsonb_build_object('quality_score', quality_score, 'cost_usd', cost_usd::text, 'error', error))
  FROM finished WHERE status IN ('completed', 'failed')
) AS facts
ORDER BY rank, task_id, stage
RETURNING id, task_id, project_id, stage, event, attempt, detail, created_at
