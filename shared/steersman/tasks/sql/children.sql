-- Tasks that a stage starts: rows of tasks, stages and log. Items beyond the first ones are held (sent later).
-- Of a paused task they are paused too; the lock has whoever pauses it now find them.
WITH tasks AS (
  INSERT INTO task_histories (id, project_id, template_id, template_name, template_version, orchestrator, priority, input,
    constraints, labels, requested_by, requested_through, correlation_id, open_sinks, deadline_at, parent_task_id, parent_stage,
    parent_attempt, item, only_stage, depth, paused)
  SELECT c.id, p.project_id, %(template_id)s, %(template_name)s, %(template_version)s, %(orchestrator)s, p.priority, c.input,
         p.constraints - 'budget_usd' - 'budget_tokens', p.labels, p.requested_by, 'task', p.correlation_id, %(open_sinks)s,
         least(p.deadline_at, clock_timestamp() + make_interval(secs => %(deadline_s)s::float8)), p.id, %(parent_stage)s,
         %(parent_attempt)s, c.item, %(only_stage)s, p.depth + 1,
         p.paused || jsonb_build_object('at', to_jsonb(clock_timestamp()))
  FROM unnest(%(ids)s::uuid[], %(inputs)s::jsonb[], %(items)s::int[]) AS c (id, input, item),
       task_histories p
  WHERE p.id = %(parent_task_id)s
  FOR UPDATE OF p
  RETURNING id, project_id, item
), stages AS (
  INSERT INTO task_stages (task_id, project_id, name, position, queue, capability, pending_needs, status, ready_at, resent_at)
  SELECT t.id, t.project_id, s.name, s.position, s.queue, s.capability, s.pending_needs, s.status,
         CASE WHEN s.status = 'ready' THEN clock_timestamp() END,
         CASE WHEN s.status = 'ready' AND t.item >= %(window)s THEN timestamptz 'infinity' END
  FROM tasks t, unnest(%(stage_names)s::text[], %(stage_positions)s::int[], %(stage_queues)s::text[],
    %(stage_capabilities)s::text[], %(stage_pending_needs)s::int[], %(stage_statuses)s::text[])
    AS s (name, position, queue, capability, pending_needs, status)
  ORDER BY t.id, s.position
)
INSERT INTO task_stage_logs (task_id, project_id, event, detail, frees, created_at)
SELECT id, project_id, 'task.submitted', jsonb_build_object('parent', %(parent_task_id)s::text), string_to_array(%(sources)s, ','),
       clock_timestamp()
FROM tasks
ORDER BY item
