-- Among up to `window` open tasks behind `after`, oldest first: stages whose message may be lost (ready long ago, or a
-- lease that ran out; not those sent again lately, nor those put back to wait for a place, whose time is ahead), stages
-- whose time has come that no message could wait for, held ones that nothing holds any more, and the open stages of
-- tasks past their deadline. Each row also says how far the window reached and how many open tasks it held; one of nulls
-- says so where nothing is stranded.
-- OFFSET 0 keeps the planner from reading all stages there are instead of those of the open tasks.
WITH open AS MATERIALIZED (
  SELECT id, project_id, template_name, priority, parent_task_id, parent_stage, parent_attempt, item, paused IS NOT NULL AS paused,
         deadline_at <= now() AND failing IS NULL AND paused IS NULL AS deadline_passed
  FROM task_histories
  WHERE status IN ('pending', 'running', 'retrying') AND id > %(after)s
  ORDER BY id
  LIMIT %(window)s
), stranded AS (
  SELECT o.id AS task_id, s.project_id, s.name AS stage, s.queue, s.attempt, o.priority, o.deadline_passed
  FROM open o CROSS JOIN LATERAL (
    SELECT name, project_id, queue, attempt
    FROM task_stages s
    WHERE s.task_id = o.id AND s.status IN ('pending', 'ready', 'running', 'awaiting')
      AND (o.deadline_passed
           OR s.status = 'ready' AND s.resent_at = '-infinity' AND s.ready_at <= now()
           OR s.status = 'ready' AND s.resent_at = 'infinity' AND NOT o.paused
              AND s.ready_at < now() - make_interval(secs => %(older_than_s)s)
              AND NOT EXISTS (SELECT FROM pauses p WHERE p.project_id = o.project_id
                              AND p.name = CASE p.scope WHEN 'template' THEN o.template_name ELSE s.queue END)
              AND NOT EXISTS (SELECT FROM task_stages p  -- an item whose turn has not come
                              WHERE p.task_id = o.parent_task_id AND p.name = o.parent_stage
                                AND p.attempt = o.parent_attempt AND o.item >= p.next_child)
           OR s.status = 'ready' AND s.ready_at < now() - make_interval(secs => %(older_than_s)s)
              AND coalesce(s.resent_at < now() - make_interval(secs => %(older_than_s)s), true)
           OR s.status = 'running' AND s.lease_expires_at < now()
              AND coalesce(s.resent_at < now() - make_interval(secs => %(older_than_s)s) OR s.resent_at > now(), true))
    OFFSET 0
  ) s
  LIMIT %(limit)s
)
SELECT w.reached, w.held, s.*
FROM (SELECT count(*) AS held, (SELECT id FROM open ORDER BY id DESC LIMIT 1) AS reached FROM open) w
LEFT JOIN stranded s ON true
