-- Log the results of attempts whose lease was lost meanwhile; those that did take effect (their lease stayed) are not
-- late, only told twice.
INSERT INTO task_stage_logs (task_id, project_id, stage, event, attempt, agent_id, detail)
SELECT s.task_id, s.project_id, s.name, 'stage.late', coalesce(d.attempt, s.attempt), d.agent_id, jsonb_build_object('status', d.status)
FROM (SELECT * FROM unnest(%(task_ids)s::uuid[], %(stages)s::text[], %(leases)s::uuid[], %(statuses)s::text[],
                           %(agent_ids)s::uuid[], %(attempts)s::int[])
        AS d (task_id, stage, lease_id, status, agent_id, attempt)
      LIMIT %(count)s) d
JOIN task_stages s ON s.task_id = d.task_id AND s.name = d.stage
WHERE s.lease_id IS DISTINCT FROM d.lease_id
RETURNING id, task_id, stage, event, attempt, detail::text, created_at, started_id, started_at, frees
