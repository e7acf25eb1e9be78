-- Give up the leases of attempts that a limit keeps from running: their stages wait again, as the same attempts.
-- Nothing is logged, for nothing has begun. They are sent when there is a place for them; the sweep, which sends what
-- waits, leaves them alone for `patience_s` more than it leaves others. A row comes back for each lease that was held.
UPDATE task_stages s
SET status = 'ready', lease_id = NULL, lease_expires_at = NULL, started_at = NULL, started_id = NULL,
    waiting_for = w.waiting_for, resent_at = clock_timestamp() + make_interval(secs => %(patience_s)s)
FROM (SELECT * FROM unnest(%(task_ids)s::uuid[], %(stages)s::text[], %(leases)s::uuid[], %(waiting_for)s::text[])
        AS w (task_id, stage, lease_id, waiting_for)
      LIMIT %(count)s) w
WHERE s.task_id = w.task_id AND s.name = w.stage AND s.status = 'running' AND s.lease_id = w.lease_id
RETURNING s.task_id, s.name AS stage
