-- Timers whose time is near, at most `limit`, and what they are for. Those that act: a stage that still waits is to be
-- sent so that it arrives at its time (and is looked at by the next sweep, should the message be lost); a task that
-- still waits behind its deadline has expired, and is looked at as soon as it may have. What is paused is looked at by
-- the next sweep, what has been put off at its time; what waits no more is forgotten.
WITH due AS MATERIALIZED (
  SELECT task_id, stage FROM task_timers
  WHERE due_at <= now() + make_interval(secs => %(ahead_s)s)
  ORDER BY due_at
  LIMIT %(limit)s
  FOR UPDATE SKIP LOCKED
), named AS (
  SELECT d.task_id, d.stage, t.project_id, s.queue, s.attempt, t.priority, s.ready_at, t.deadline_at,
         t.paused IS NOT NULL AS paused, coalesce(s.ready_at, t.deadline_at) AS next_at,
         d.stage = '' AND t.status = 'awaiting' AS deadline, coalesce(s.status = 'awaiting', false) AS waits
  FROM due d
  LEFT JOIN task_histories t ON t.id = d.task_id
  LEFT JOIN task_stages s ON s.task_id = d.task_id AND s.name = d.stage
), later AS (
  UPDATE task_timers m
  SET due_at = CASE WHEN n.deadline THEN greatest(n.deadline_at, now()) + make_interval(secs => %(ahead_s)s)
                    WHEN n.next_at > now() + make_interval(secs => %(ahead_s)s) THEN n.next_at
                    ELSE now() + make_interval(secs => %(ahead_s)s) * 1.5 END
  FROM named n
  WHERE m.task_id = n.task_id AND m.stage = n.stage AND (n.waits OR n.deadline)
), gone AS (
  DELETE FROM task_timers m USING named n
  WHERE m.task_id = n.task_id AND m.stage = n.stage AND NOT (n.waits OR n.deadline)
)
SELECT task_id, project_id, stage, queue, attempt, priority, deadline AS deadline_passed,
       greatest(0, extract(epoch FROM ready_at - clock_timestamp()))::float8 AS delay_s,
       coalesce(NOT paused AND (waits AND ready_at <= now() + make_interval(secs => %(ahead_s)s)
                                OR deadline AND deadline_at <= now()), false) AS acts
FROM named
