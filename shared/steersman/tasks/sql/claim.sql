-- Lease the attempts that a batch of messages asks for; a row comes back for each lease that was granted.
-- Granted are stages that wait for a worker, up to the attempt asked for, and those whose worker fell silent; the
-- same lease again is granted again. A stage that waits is granted when its time has come. That the task is open follows: whatever ends a task cancels its open stages.
-- That an attempt started is noted in its stage, for the line that ends it; only of one that was lost it is logged here.
-- `wanted` is sorted by key, and its LIMIT (which bounds nothing) makes the planner expect few rows of it: so every
-- stage is found, and locked, in the order of keys, by its primary key, whatever the statistics say.
WITH wanted AS (
  SELECT * FROM unnest(%(task_ids)s::uuid[], %(stages)s::text[], %(attempts)s::int[], %(leases)s::uuid[])
    WITH ORDINALITY AS w (task_id, stage, attempt, lease_id, place)
  LIMIT %(count)s
), claimed AS (
  UPDATE task_stages s
  SET status = 'running', lease_id = w.lease_id,
      lease_expires_at = clock_timestamp() + make_interval(secs => %(lease_s)s),
      started_at = CASE WHEN s.status = 'running' AND s.lease_id = w.lease_id THEN s.started_at ELSE clock_timestamp() END,
      started_id = CASE WHEN s.status = 'running' AND s.lease_id = w.lease_id THEN s.started_id
                        ELSE nextval('task_stage_logs_id') END,
      lost_id = CASE WHEN s.status = 'running' AND s.lease_id <> w.lease_id THEN s.started_id END,
      lost_at = CASE WHEN s.status = 'running' AND s.lease_id <> w.lease_id THEN s.started_at END,
      attempt = s.attempt + (s.status = 'running' AND s.lease_id <> w.lease_id)::int,
      error = CASE WHEN s.status = 'running' AND s.lease_id <> w.lease_id THEN %(lease_lost)s ELSE s.error END
  FROM wanted w
  WHERE s.task_id = w.task_id AND s.name = w.stage
    AND (s.status = 'ready' AND s.attempt <= w.attempt
         OR s.status = 'awaiting' AND s.attempt <= w.attempt AND s.ready_at <= clock_timestamp()
         OR s.status = 'running' AND (s.lease_id = w.lease_id OR s.lease_expires_at <= clock_timestamp()))
  RETURNING w.place, s.task_id, s.name, s.project_id, s.attempt, s.error, s.started_id, s.started_at, s.lost_id,
            s.lost_at, s.awaited_at, s.answer, s.children, s.children_open, s.children_failed,
            s.base_attempt, s.input AS edited
), found AS (
  SELECT c.*, t.status AS task_status, t.template_id, t.priority, t.input,
         t.constraints ->> 'budget_usd' AS budget_usd, t.correlation_id, t.cost_usd,
         t.deadline_at <= clock_timestamp() AND t.failing IS NULL AS deadline_passed,
         -- What few stages have: those that wait or have tasks of their own, and those of tasks that are not plain.
         CASE WHEN num_nonnulls(c.awaited_at, c.children, c.answer, t.parent_task_id, t.paused, t.failing,
                                t.constraints ->> 'budget_tokens', c.edited, nullif(c.base_attempt, 0)) > 0
              THEN jsonb_strip_nulls(jsonb_build_object(
                'waited_s', extract(epoch FROM c.started_at - c.awaited_at), 'children', c.children,
                'children_open', c.children_open, 'children_failed', c.children_failed, 'only_stage', t.only_stage,
                'depth', t.depth, 'paused', t.paused IS NOT NULL, 'failing', t.failing,
                'base_attempt', c.base_attempt,
                'budget_tokens', t.constraints ->> 'budget_tokens', 'tokens', t.tokens,
                'parent_spent', (
                  SELECT true FROM task_histories p
                  WHERE p.id = t.parent_task_id AND (p.cost_usd > 0 AND p.cost_usd >= (p.constraints ->> 'budget_usd')::numeric
                    OR p.tokens >= (p.constraints ->> 'budget_tokens')::bigint))))
                || CASE WHEN c.answer IS NULL THEN '{}' ELSE jsonb_build_object('answer', c.answer) END
                || CASE WHEN c.edited IS NULL THEN '{}' ELSE jsonb_build_object('input', c.edited) END
              END AS aside
  FROM claimed c JOIN task_histories t ON t.id = c.task_id
), started AS (
  UPDATE task_histories t
  SET status = 'running', started_at = coalesce(t.started_at, f.started_at)
  FROM (SELECT task_id, min(started_at) AS started_at FROM found WHERE task_status IN ('pending', 'retrying', 'awaiting')
        GROUP BY task_id ORDER BY task_id) f
  WHERE t.id = f.task_id AND t.status IN ('pending', 'retrying', 'awaiting')
), logged AS (
  INSERT INTO task_stage_logs (id, task_id, project_id, stage, event, attempt, created_at)
  SELECT lost_id, task_id, project_id, name, 'stage.started', attempt - 1, lost_at FROM claimed
  WHERE lost_id IS NOT NULL
)
SELECT f.place, f.name AS stage, f.attempt, f.error AS last_error, f.project_id::text, f.template_id::text, f.priority,
       f.input, f.budget_usd, f.correlation_id, f.cost_usd, f.deadline_passed, f.started_id, f.started_at, f.aside,
       (SELECT json_object_agg(p.name, json_build_array(p.status, p.output, p.agent_name, p.model, p.cost_usd::text,
                 p.tokens, (date_part('epoch', p.finished_at - p.started_at) * 1000)::int))
        FROM task_stages p WHERE p.task_id = f.task_id AND p.status IN ('completed', 'skipped')) AS earlier
FROM found f
