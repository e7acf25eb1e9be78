-- Lease the attempts that a batch of messages asks for; one row per message, saying what became of it:
--   claimed  this worker runs it now            busy   another worker's lease still holds
--   done     it has ended already               over   its task has ended, or it was cancelled
--   stale    a later attempt has taken its place
-- Locks stages before tasks, each in the order of their keys, as every statement here does.
WITH wanted AS (
  SELECT * FROM unnest(%(task_ids)s::uuid[], %(stages)s::text[], %(attempts)s::int[], %(leases)s::uuid[],
                       %(lease_s)s::float8[]) AS w (task_id, stage, attempt, lease_id, lease_s)
), locked AS (
  SELECT s.task_id, s.name, s.status, s.attempt, s.lease_id, s.lease_expires_at, s.project_id, s.error
  FROM task_stages s JOIN wanted w ON s.task_id = w.task_id AND s.name = w.stage
  ORDER BY s.task_id, s.name
  FOR UPDATE OF s
), judged AS (
  SELECT l.task_id, l.name, l.project_id, w.lease_id, w.lease_s, l.error,
         l.status = 'running' AND l.lease_id IS DISTINCT FROM w.lease_id AS lease_lost,
         l.attempt + (l.status = 'running' AND l.lease_id IS DISTINCT FROM w.lease_id)::int AS attempt,
         CASE
           WHEN l.status IN ('completed', 'skipped', 'failed') THEN 'done'
           WHEN l.status = 'cancelled' OR t.status IN ('completed', 'failed', 'cancelled') THEN 'over'
           WHEN l.status = 'running' AND l.lease_id = w.lease_id THEN 'claimed'
           WHEN l.status = 'running' AND l.lease_expires_at > clock_timestamp() THEN 'busy'
           WHEN l.status = 'running' THEN 'claimed'
           WHEN l.status = 'ready' AND l.attempt > w.attempt THEN 'stale'
           WHEN l.status = 'ready' THEN 'claimed'
           ELSE 'busy'
         END AS verdict
  FROM locked l
  JOIN wanted w ON w.task_id = l.task_id AND w.stage = l.name
  JOIN task_histories t ON t.id = l.task_id
), claimed AS (
  UPDATE task_stages s
  SET status = 'running', attempt = j.attempt, lease_id = j.lease_id, started_at = clock_timestamp(),
      lease_expires_at = clock_timestamp() + make_interval(secs => j.lease_s)
  FROM judged j
  WHERE j.verdict = 'claimed' AND s.task_id = j.task_id AND s.name = j.name
  RETURNING s.task_id, s.name, s.project_id, s.attempt
), started AS (
  UPDATE task_histories t
  SET status = 'running', started_at = coalesce(t.started_at, clock_timestamp())
  WHERE t.id IN (SELECT task_id FROM claimed) AND t.status IN ('pending', 'retrying')
  RETURNING t.id
), logged AS (
  INSERT INTO task_stage_logs (task_id, project_id, stage, event, attempt, created_at)
  SELECT task_id, project_id, name, 'stage.started', attempt, clock_timestamp() FROM claimed ORDER BY task_id, name
  RETURNING id, task_id, stage, created_at
)
SELECT w.task_id, w.stage, coalesce(j.verdict, 'over') AS verdict, j.attempt, j.lease_lost, j.error AS last_error,
       t.project_id, t.template_id, t.priority, t.input, t.constraints, t.correlation_id, t.cost_usd,
       t.deadline_at <= clock_timestamp() AS deadline_passed,
       g.id AS event_id, g.created_at AS event_at,
       CASE WHEN j.verdict = 'claimed' THEN
         (SELECT jsonb_object_agg(p.name, jsonb_build_object(
            'status', p.status, 'output', p.output, 'agent', p.agent_name, 'model', p.model,
            'cost_usd', p.cost_usd::text, 'tokens', p.tokens,
            'duration_ms', (extract(epoch FROM p.finished_at - p.started_at) * 1000)::int))
          FROM task_stages p WHERE p.task_id = j.task_id AND p.status IN ('completed', 'skipped'))
       END AS earlier
FROM wanted w
LEFT JOIN judged j ON j.task_id = w.task_id AND j.name = w.stage
LEFT JOIN task_histories t ON t.id = w.task_id
LEFT JOIN logged g ON g.task_id = w.task_id AND g.stage = w.stage AND j.verdict = 'claimed'
