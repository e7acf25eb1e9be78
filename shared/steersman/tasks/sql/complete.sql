-- Carry out the decisions on a batch of attempts that do not fail their task: store results, release dependants,
-- finish tasks, write the log. An attempt counts only while its lease is held; of another nothing comes back.
-- What is to wait for longer than a message can (resent_at '-infinity') is sent by the sweep when its time has come.
-- A line of the log tells of an attempt's end and start; what became ready stands in the last line of its task.
-- `decided` is sorted by key and limited as in claim.sql. Stages are locked before tasks. What agents did is added to
-- the first slot that no other transaction uses now, so that workers do not wait for each other's commits there.
WITH decided AS (
  SELECT * FROM unnest(
    %(task_ids)s::uuid[], %(stages)s::text[], %(leases)s::uuid[], %(statuses)s::text[], %(outputs)s::jsonb[],
    %(errors)s::jsonb[], %(delays_s)s::float8[], %(releases)s::text[], %(ends_sink)s::bool[], %(gives_output)s::bool[],
    %(agent_ids)s::uuid[], %(agent_names)s::text[], %(models)s::text[], %(costs)s::numeric[], %(tokens)s::bigint[],
    %(qualities)s::float8[], %(letters)s::uuid[])
  AS d (task_id, stage, lease_id, status, output, error, delay_s, releases, ends_sink, gives_output,
        agent_id, agent_name, model, cost_usd, tokens, quality, letter_id)
  LIMIT %(count)s
), ended AS (
  UPDATE task_stages s
  SET status = d.status, output = d.output, error = d.error, agent_id = d.agent_id, agent_name = d.agent_name,
      model = d.model, cost_usd = s.cost_usd + d.cost_usd, tokens = s.tokens + d.tokens, lease_expires_at = NULL,
      attempt = s.attempt + (d.status = 'ready')::int,
      children = CASE WHEN d.status <> 'ready' OR d.error ->> 'code' <> 'children_failed' THEN s.children END,
      resent_at = CASE WHEN d.status <> 'ready' THEN s.resent_at WHEN d.delay_s > 900 THEN timestamptz '-infinity' END,
      ready_at = CASE WHEN d.status = 'ready' THEN clock_timestamp() + make_interval(secs => d.delay_s) ELSE s.ready_at END,
      finished_at = CASE WHEN d.status = 'ready' THEN NULL ELSE clock_timestamp() END
  FROM decided d
  WHERE s.task_id = d.task_id AND s.name = d.stage AND s.status = 'running' AND s.lease_id = d.lease_id
  RETURNING s.task_id, s.name, s.project_id, s.capability, s.status, s.attempt - (d.status = 'ready')::int AS attempt,
            CASE WHEN d.gives_output THEN d.output END AS output, d.error, d.delay_s, d.releases, d.ends_sink,
            d.gives_output, d.agent_id, d.agent_name, d.model, d.cost_usd, d.tokens, d.quality, d.letter_id, s.started_id,
            s.started_at, (date_part('epoch', clock_timestamp() - s.started_at) * 1000)::bigint AS duration_ms
), released AS (
  UPDATE task_stages s
  SET pending_needs = s.pending_needs - r.needs,
      status = CASE WHEN s.pending_needs = r.needs THEN 'ready' ELSE s.status END,
      ready_at = CASE WHEN s.pending_needs = r.needs THEN clock_timestamp() END
  FROM (SELECT e.task_id, dependant, count(*)::int AS needs
        FROM ended e CROSS JOIN LATERAL unnest(string_to_array(e.releases, ',')) AS dependant
        WHERE e.status <> 'ready'
        GROUP BY e.task_id, dependant ORDER BY e.task_id, dependant
        LIMIT %(count)s * 1000) r
  WHERE s.task_id = r.task_id AND s.name = r.dependant AND s.status = 'pending'
  RETURNING s.task_id, s.name, s.status
), freed AS (
  -- One document for all: a join would be made for the one row that the planner expects.
  SELECT jsonb_object_agg(task_id, names) AS by_task
  FROM (SELECT task_id, string_agg(name, ',' ORDER BY name) AS names FROM released WHERE status = 'ready' GROUP BY task_id) r
), finished AS (
  UPDATE task_histories t
  SET open_sinks = t.open_sinks - o.sinks,
      cost_usd = t.cost_usd + o.cost_usd,
      tokens = t.tokens + o.tokens,
      output = coalesce(o.output, t.output),
      quality_score = coalesce(o.quality, t.quality_score),
      status = CASE WHEN t.open_sinks = o.sinks AND t.failing IS NULL THEN 'completed'
                    WHEN t.open_sinks = o.sinks THEN 'failed'  -- what it did is undone
                    WHEN o.retries THEN 'retrying' ELSE t.status END,
      error = CASE WHEN t.open_sinks = o.sinks AND t.failing IS NOT NULL THEN t.failing ELSE t.error END,
      finished_at = CASE WHEN t.open_sinks = o.sinks THEN clock_timestamp() END
  FROM (SELECT task_id, count(*) FILTER (WHERE ends_sink)::int AS sinks, bool_or(status = 'ready') AS retries,
               sum(cost_usd) AS cost_usd, sum(tokens) AS tokens,
               (array_agg(output) FILTER (WHERE gives_output))[1] AS output,
               (array_agg(quality) FILTER (WHERE gives_output))[1] AS quality
        FROM ended
        WHERE ends_sink OR gives_output OR status = 'ready' OR cost_usd > 0 OR tokens > 0
        GROUP BY task_id ORDER BY task_id) o
  WHERE t.id = o.task_id AND t.status IN ('pending', 'running', 'awaiting', 'retrying')
  RETURNING t.id, t.project_id, t.status, t.quality_score, t.cost_usd, t.parent_task_id, t.error
), letters AS (
  -- Of stages that failed for good without ending their task there and then: what it did is undone first.
  INSERT INTO dead_letters (id, project_id, task_id, stage, template_name, template_version, queue, capability, attempt,
    error_code, error, failed_at)
  SELECT e.letter_id, e.project_id, e.task_id, e.name, t.template_name, t.template_version, s.queue, e.capability,
         e.attempt, coalesce(e.error ->> 'code', 'unknown'), e.error, clock_timestamp()
  FROM ended e
  JOIN task_stages s ON s.task_id = e.task_id AND s.name = e.name
  JOIN task_histories t ON t.id = e.task_id
  WHERE e.letter_id IS NOT NULL
), measured AS (
  INSERT INTO agent_performance AS p (agent_id, project_id, capability, bucket_start, slot, calls, failures, timeouts,
    duration_ms_sum, duration_ms_max, cost_usd, tokens, quality_sum, quality_count)
  SELECT e.agent_id, e.project_id, e.capability, date_trunc('hour', now()), coalesce((
           SELECT slot FROM generate_series(0, 31) AS slot
           WHERE pg_try_advisory_xact_lock(hashtext('agent_performance'), slot) LIMIT 1), 0), count(*),
         count(*) FILTER (WHERE e.error IS NOT NULL), count(*) FILTER (WHERE e.error ->> 'code' = 'stage_timeout'),
         sum(e.duration_ms), max(e.duration_ms), sum(e.cost_usd), sum(e.tokens),
         coalesce(sum(e.quality), 0), count(e.quality)
  FROM ended e
  WHERE e.agent_id IS NOT NULL
  GROUP BY e.project_id, e.agent_id, e.capability
  HAVING EXISTS (SELECT FROM agents a WHERE a.id = e.agent_id)  -- it may have been removed meanwhile
  ORDER BY e.project_id, e.agent_id, e.capability
  ON CONFLICT (project_id, agent_id, capability, bucket_start, slot) DO UPDATE SET
    calls = p.calls + excluded.calls, failures = p.failures + excluded.failures,
    timeouts = p.timeouts + excluded.timeouts, duration_ms_sum = p.duration_ms_sum + excluded.duration_ms_sum,
    duration_ms_max = greatest(p.duration_ms_max, excluded.duration_ms_max),
    cost_usd = p.cost_usd + excluded.cost_usd, tokens = p.tokens + excluded.tokens,
    quality_sum = p.quality_sum + excluded.quality_sum, quality_count = p.quality_count + excluded.quality_count
)
INSERT INTO task_stage_logs (task_id, project_id, stage, event, attempt, agent_id, detail, started_id, started_at,
  frees, created_at)
SELECT task_id, project_id, stage, event, attempt, agent_id, detail, started_id, started_at, frees, clock_timestamp()
FROM (
  SELECT 1 AS rank, task_id, project_id, name AS stage,
         CASE status WHEN 'ready' THEN 'stage.retrying' ELSE 'stage.' || status END AS event, attempt, agent_id,
         jsonb_strip_nulls(jsonb_build_object('agent', agent_name, 'model', model, 'duration_ms', duration_ms,
           'retry_delay_s', delay_s, 'error', error)) AS detail,
         started_id, started_at,
         CASE WHEN last THEN string_to_array((SELECT by_task FROM freed) ->> task_id::text, ',') END AS frees
  FROM (SELECT *, lead(task_id) OVER (ORDER BY task_id, name) IS DISTINCT FROM task_id AS last FROM ended) e
  UNION ALL
  SELECT 2, id, project_id, NULL, 'task.' || status, NULL, NULL,
         jsonb_strip_nulls(jsonb_build_object('quality_score', quality_score, 'cost_usd', cost_usd::text,
           'parent', parent_task_id, 'error', error)),
         NULL, NULL, NULL
  FROM finished WHERE status IN ('completed', 'failed')
) AS facts
ORDER BY rank, task_id, stage
RETURNING id, task_id, stage, event, attempt, detail::text, created_at, started_id, started_at, frees
