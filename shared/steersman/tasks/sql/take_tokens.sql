-- Note what state machines ask of stages; an item's token belongs to the stage of the task that does it. Rows: where each
-- went and how its stage stands, `place` telling which of those given it was. One without a row names no stage.
WITH asked AS (
  SELECT * FROM unnest(%(task_ids)s::uuid[], %(stages)s::text[], %(items)s::int[], %(moves)s::text[], %(tokens)s::text[])
    WITH ORDINALITY AS a (task_id, stage, item, move, token, place)
  LIMIT %(count)s
), found AS (
  SELECT a.place, s.task_id, s.project_id, s.name, a.move, a.token, s.status, s.attempt, s.queue,
         greatest(0, extract(epoch FROM s.ready_at - clock_timestamp()))::float8 AS delay_s
  FROM asked a
  LEFT JOIN LATERAL (
    SELECT t.id FROM task_histories t
    WHERE t.parent_task_id = a.task_id AND t.parent_stage = a.stage AND t.item = a.item
    ORDER BY t.parent_attempt DESC LIMIT 1
  ) c ON a.item IS NOT NULL
  JOIN task_stages s ON s.task_id = CASE WHEN a.item IS NULL THEN a.task_id ELSE c.id END AND s.name = a.stage
), taken AS (
  INSERT INTO stage_tokens (task_id, stage, move, token, attempt)
  SELECT DISTINCT ON (task_id, name, token) task_id, name, move, token, attempt FROM found
  ORDER BY task_id, name, token
  ON CONFLICT (task_id, stage, token) DO UPDATE SET move = excluded.move, attempt = excluded.attempt, created_at = now()
)
SELECT place, task_id, project_id, name AS stage, status, attempt, queue, delay_s FROM found
