-- Give leased stages back that may not go on now, until somebody lets them: no attempt is lost, and nobody sends them.
WITH held AS (
  SELECT * FROM unnest(%(task_ids)s::uuid[], %(stages)s::text[], %(leases)s::uuid[]) AS h (task_id, stage, lease_id)
  LIMIT %(count)s
)
UPDATE task_stages s
SET status = 'ready', lease_id = NULL, lease_expires_at = NULL, resent_at = 'infinity'
FROM held h
WHERE s.task_id = h.task_id AND s.name = h.stage AND s.status = 'running' AND s.lease_id = h.lease_id
RETURNING s.task_id, s.name AS stage
