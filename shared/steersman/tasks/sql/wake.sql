-- Tell stages of the tasks that they started which of these have ended: each is counted once, and paid. A stage goes on
-- when all have ended, or too many failed; else as many that were held may begin as ended. Rows: what is to be sent.
-- What ends when its stage has gone on, or tries again, is only paid.
WITH ended AS (
  UPDATE task_histories t
  SET counted = true
  FROM (SELECT * FROM unnest(%(task_ids)s::uuid[]) AS e (id) ORDER BY id LIMIT %(count)s) e
  WHERE t.id = e.id AND t.counted IS NULL AND t.parent_task_id IS NOT NULL
    AND t.status IN ('completed', 'failed', 'cancelled')
  RETURNING t.parent_task_id, t.parent_stage, t.parent_attempt, t.status, t.cost_usd, t.tokens
), sums AS (
  SELECT parent_task_id, parent_stage, max(parent_attempt) AS parent_attempt, count(*) FILTER (WHERE latest)::int AS ended,
         count(*) FILTER (WHERE latest AND status <> 'completed')::int AS failed, sum(cost_usd) AS cost_usd,
         sum(tokens) AS tokens
  FROM (SELECT *, parent_attempt = max(parent_attempt) OVER (PARTITION BY parent_task_id, parent_stage) AS latest
        FROM ended) e
  GROUP BY parent_task_id, parent_stage
  ORDER BY parent_task_id, parent_stage LIMIT %(count)s
), parents AS (
  UPDATE task_stages s
  SET cost_usd = s.cost_usd + u.cost_usd, tokens = s.tokens + u.tokens,
      children_open = s.children_open - CASE WHEN s.attempt = u.parent_attempt THEN u.ended ELSE 0 END,
      children_failed = s.children_failed + CASE WHEN s.attempt = u.parent_attempt THEN u.failed ELSE 0 END,
      next_child = CASE WHEN s.attempt = u.parent_attempt THEN least(s.next_child + u.ended, s.children)
                        ELSE s.next_child END,
      resent_at = CASE WHEN s.status = 'running' AND s.lease_id IS NULL THEN NULL ELSE s.resent_at END,
      status = CASE WHEN s.status = 'running' AND s.lease_id IS NULL AND s.attempt = u.parent_attempt
                         AND (s.children_open = u.ended OR s.children_failed + u.failed > s.children_tolerated)
                    THEN 'ready' ELSE s.status END,
      ready_at = CASE WHEN s.status = 'running' AND s.lease_id IS NULL AND s.attempt = u.parent_attempt
                           AND (s.children_open = u.ended OR s.children_failed + u.failed > s.children_tolerated)
                      THEN clock_timestamp() ELSE s.ready_at END
  FROM sums u
  WHERE s.task_id = u.parent_task_id AND s.name = u.parent_stage
  RETURNING s.task_id, s.name, s.queue, s.attempt, s.status, s.next_child - u.ended AS from_child, s.next_child AS to_child,
            s.status = 'ready' AND s.attempt = u.parent_attempt AS goes,
            s.status = 'running' AND s.lease_id IS NULL AND s.attempt = u.parent_attempt AS waits
), paid AS (
  UPDATE task_histories t
  SET cost_usd = t.cost_usd + u.cost_usd, tokens = t.tokens + u.tokens
  FROM (SELECT parent_task_id AS task_id, sum(cost_usd) AS cost_usd, sum(tokens) AS tokens
        FROM sums GROUP BY parent_task_id ORDER BY parent_task_id LIMIT %(count)s) u
  WHERE t.id = u.task_id AND (u.cost_usd > 0 OR u.tokens > 0)
    AND (SELECT count(*) FROM parents) >= 0  -- the stages' locks come first
), opened AS (
  UPDATE task_stages s
  SET resent_at = NULL, ready_at = clock_timestamp()
  FROM parents p JOIN task_histories c ON c.parent_task_id = p.task_id AND c.parent_stage = p.name
    AND c.item >= p.from_child AND c.item < p.to_child AND c.parent_attempt = p.attempt
  WHERE p.waits AND c.paused IS NULL AND s.task_id = c.id AND s.status = 'ready' AND s.resent_at = 'infinity'
  RETURNING s.task_id, s.project_id, s.name, s.queue, s.attempt, c.priority
)
SELECT p.task_id, t.project_id, p.name AS stage, p.queue, p.attempt, t.priority
FROM parents p JOIN task_histories t ON t.id = p.task_id
WHERE p.goes
UNION ALL
SELECT task_id, project_id, name, queue, attempt, priority FROM opened
