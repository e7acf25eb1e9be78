-- Timers whose time is near, at most `limit`, and what they are for: a stage that still waits is to be sent so that it
-- arrives at its time (and looked at again a minute later, should the message be lost); a task that still waits behind
-- its deadline has expired. What waits no more is forgotten.
WITH due AS MATERIALIZED (
  SELECT task_id, stage FROM task_timers
  WHERE due_at <= now() + make_interval(secs => %(ahead_s)s)
  ORDER BY due_at
  LIMIT %(limit)s
  FOR UPDATE SKIP LOCKED
), named AS (
  SELECT d.task_id, d.stage, s.queue, s.attempt, t.priority, s.ready_at, t.deadline_at,
         t.status = 'awaiting' AND d.stage = '' AS deadline,
         s.status = 'awaiting' AND s.ready_at IS NOT NULL AND t.paused IS NULL AS waits
  FROM due d
  JOIN task_histories t ON t.id = d.task_id
  LEFT JOIN task_stages s ON s.task_id = d.task_id AND s.name = d.stage
), later AS (
  UPDATE task_timers m
  SET due_at = CASE WHEN n.deadline THEN greatest(n.deadline_at, now() + interval '1 minute')
                    ELSE greatest(n.ready_at, now()) + interval '1 minute' END
  FROM named n
  WHERE m.task_id = n.task_id AND m.stage = n.stage AND (n.waits OR n.deadline)
), gone AS (
  DELETE FROM task_timers m USING named n
  WHERE m.task_id = n.task_id AND m.stage = n.stage AND NOT (coalesce(n.waits, false) OR n.deadline)
)
SELECT task_id, stage, queue, attempt, priority, deadline AND deadline_at <= now() AS deadline_passed,
       greatest(0, extract(epoch FROM ready_at - clock_timestamp()))::float8 AS delay_s
FROM named
WHERE waits OR deadline AND deadline_at <= now()
