-- Open work whose message may be lost (ready long ago, or a lease that ran out) and tasks past their deadline.
SELECT s.task_id, s.name AS stage, s.queue, s.attempt, t.priority, t.deadline_at <= now() AS deadline_passed
FROM task_histories t JOIN task_stages s ON s.task_id = t.id
WHERE t.status IN ('pending', 'running', 'awaiting', 'retrying')
  AND t.id < first_id_at(now() - make_interval(secs => %(older_than_s)s))
  AND (t.deadline_at <= now()
       OR (s.status = 'ready' AND s.ready_at < now() - make_interval(secs => %(older_than_s)s))
       OR (s.status = 'running' AND s.lease_expires_at < now()))
  AND s.status IN ('pending', 'ready', 'running', 'awaiting')
ORDER BY t.deadline_at <= now() DESC, s.task_id, s.position
LIMIT %(limit)s
