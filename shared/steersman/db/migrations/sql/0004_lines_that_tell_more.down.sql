LOCK TABLE task_stages, task_stage_logs IN ACCESS EXCLUSIVE MODE;

INSERT INTO task_stage_logs (task_id, id, project_id, stage, event, attempt, created_at)
SELECT task_id, id, project_id, stage, event, attempt, created_at
FROM task_events e
WHERE NOT EXISTS (SELECT FROM task_stage_logs l WHERE l.task_id = e.task_id AND l.id = e.id);

DROP VIEW task_events;

SELECT nextval('task_stage_logs_id');  -- past the ids of the events just written
ALTER SEQUENCE task_stage_logs_id INCREMENT BY 1;

ALTER TABLE task_stage_logs
  DROP COLUMN started_id,
  DROP COLUMN started_at,
  DROP COLUMN frees;

ALTER TABLE task_stages
  DROP COLUMN started_id,
  DROP COLUMN lost_id,
  DROP COLUMN lost_at,
  ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();

CREATE TRIGGER touch BEFORE UPDATE ON task_stages FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
