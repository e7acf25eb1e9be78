-- Accept tasks: rows of tasks, stages, log and the answer kept for the Idempotency-Key, all or nothing.
WITH tasks AS (
  INSERT INTO task_histories (id, project_id, template_id, template_name, template_version, orchestrator, priority, input,
    requirements, constraints, labels, business_value_usd, business_value_kind, requested_by, requested_through,
    correlation_id, open_sinks, deadline_at, created_at, updated_at)
  SELECT t.*, %(created_at)s, %(created_at)s
  FROM unnest(%(ids)s::uuid[], %(project_ids)s::uuid[], %(template_ids)s::uuid[], %(template_names)s::text[],
    %(template_versions)s::int[], %(orchestrators)s::text[], %(priorities)s::text[], %(inputs)s::jsonb[], %(requirements)s::jsonb[],
    %(constraints)s::jsonb[], %(labels)s::jsonb[], %(values_usd)s::numeric[], %(value_kinds)s::text[],
    %(requested_by)s::text[], %(requested_through)s::text[], %(correlation_ids)s::text[], %(open_sinks)s::int[],
    %(deadlines)s::timestamptz[]) AS t
), stages AS (
  INSERT INTO task_stages (task_id, project_id, name, position, queue, capability, pending_needs, status, ready_at)
  SELECT t.id, t.project_id, s.name, s.position, s.queue, s.capability, s.pending_needs, s.status,
         CASE WHEN s.status = 'ready' THEN %(created_at)s::timestamptz END
  FROM unnest(%(ids)s::uuid[], %(project_ids)s::uuid[], %(template_ids)s::uuid[]) AS t (id, project_id, template_id)
  JOIN unnest(%(stage_template_ids)s::uuid[], %(stage_names)s::text[], %(stage_positions)s::int[],
    %(stage_queues)s::text[], %(stage_capabilities)s::text[], %(stage_pending_needs)s::int[], %(stage_statuses)s::text[])
    AS s (template_id, name, position, queue, capability, pending_needs, status) ON s.template_id = t.template_id
  ORDER BY t.id, s.position
), kept AS (
  INSERT INTO idempotency_keys (project_id, route, key, request_hash, response)
  SELECT %(key_project_id)s::uuid, %(key_route)s::text, %(key)s::text, %(key_hash)s::text, %(key_response)s::jsonb
  WHERE %(key)s::text IS NOT NULL
  -- An answer past its 24 hours gives way; over a fresh one NULL breaks the column's rule, and nothing is accepted.
  ON CONFLICT (project_id, route, key) DO UPDATE
    SET request_hash = CASE WHEN idempotency_keys.created_at <= now() - interval '24 hours' THEN excluded.request_hash END,
        response = excluded.response, created_at = now()
)
INSERT INTO task_stage_logs (task_id, project_id, event, frees, created_at)
SELECT id, project_id, 'task.submitted', string_to_array(sources, ','), %(created_at)s
FROM unnest(%(ids)s::uuid[], %(project_ids)s::uuid[], %(sources)s::text[]) AS t (id, project_id, sources)
