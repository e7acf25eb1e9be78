-- Give leased stages back that may not go on now, until somebody lets them: no attempt is lost, and nobody sends them.
-- The worker's word may be late: rows say what nothing holds any more, and is to be sent. The locks have this see a pause
-- that is just being ended, or have who ends it see the stages.
WITH given AS (
  SELECT * FROM unnest(%(task_ids)s::uuid[], %(stages)s::text[], %(leases)s::uuid[]) AS g (task_id, stage, lease_id)
  LIMIT %(count)s
), tasks AS MATERIALIZED (
  SELECT t.id, t.project_id, t.template_name, t.priority, t.paused IS NOT NULL AS paused
  FROM (SELECT DISTINCT task_id FROM given ORDER BY task_id) g
  JOIN task_histories t ON t.id = g.task_id
  ORDER BY t.id
  FOR SHARE OF t
), stopped AS MATERIALIZED (
  SELECT p.project_id, p.scope, p.name FROM pauses p
  WHERE p.project_id IN (SELECT project_id FROM tasks)
  FOR SHARE OF p
), decided AS (
  SELECT g.task_id, g.stage, g.lease_id, t.priority,
         t.paused OR EXISTS (
           SELECT FROM stopped p
           WHERE p.project_id = t.project_id AND p.name = CASE p.scope WHEN 'template' THEN t.template_name ELSE s.queue END
         ) AS held
  FROM given g JOIN tasks t ON t.id = g.task_id JOIN task_stages s ON s.task_id = g.task_id AND s.name = g.stage
), back AS (
  UPDATE task_stages s
  SET status = 'ready', lease_id = NULL, lease_expires_at = NULL, resent_at = CASE WHEN d.held THEN timestamptz 'infinity' END
  FROM decided d
  WHERE s.task_id = d.task_id AND s.name = d.stage AND s.status = 'running' AND s.lease_id = d.lease_id
  RETURNING s.task_id, s.project_id, s.name AS stage, s.queue, s.attempt, d.priority, d.held
)
SELECT task_id, project_id, stage, queue, attempt, priority FROM back WHERE NOT held
