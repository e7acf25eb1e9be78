-- A task of six stages wrote twenty lines of log, each with its index entry; now it writes eight. A line that ends an
-- attempt says as well when the attempt started, and which stages became ready by it. The view task_events tells all of
-- it one by one, each event with an id of its own that never changes.

-- A stage's other times say what happened when, and it changes three times in its life: each paid for the trigger.
DROP TRIGGER touch ON task_stages;
ALTER TABLE task_stages DROP COLUMN updated_at;
ALTER TABLE task_stages
  ADD COLUMN started_id bigint,  -- the event of the running attempt's start, not yet in the log
  ADD COLUMN lost_id bigint,     -- that of the attempt before, when its worker fell silent
  ADD COLUMN lost_at timestamptz;

ALTER TABLE task_stage_logs
  ADD COLUMN started_id bigint,
  ADD COLUMN started_at timestamptz,
  ADD COLUMN frees text[];

-- A line's id, and behind it room for those of the stages that it frees (a template has at most 100).
ALTER SEQUENCE task_stage_logs_id INCREMENT BY 128;


CREATE VIEW task_events AS
SELECT task_id, id, project_id, stage, event, attempt, agent_id, detail, created_at FROM task_stage_logs
UNION ALL
SELECT task_id, started_id, project_id, stage, 'stage.started', attempt, NULL, '{}', started_at
FROM task_stage_logs WHERE started_id IS NOT NULL
UNION ALL
SELECT l.task_id, l.id + freed.place, l.project_id, freed.stage, 'stage.ready', 1, NULL, '{}', l.created_at
FROM task_stage_logs l CROSS JOIN LATERAL unnest(l.frees) WITH ORDINALITY AS freed (stage, place)
UNION ALL
SELECT task_id, started_id, project_id, name, 'stage.started', attempt, NULL, '{}', started_at
FROM task_stages WHERE status = 'running' AND started_id IS NOT NULL;
