-- Keep leases whose agents are still at work; a row comes back for each that is still held.
UPDATE task_stages s
SET lease_expires_at = clock_timestamp() + make_interval(secs => %(lease_s)s)
FROM (SELECT * FROM unnest(%(task_ids)s::uuid[], %(stages)s::text[], %(leases)s::uuid[]) AS w (task_id, stage, lease_id)
      LIMIT %(count)s) w
WHERE s.task_id = w.task_id AND s.name = w.stage AND s.status = 'running' AND s.lease_id = w.lease_id
RETURNING s.task_id, s.name AS stage
