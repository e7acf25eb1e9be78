CREATE OR REPLACE VIEW task_analytics AS
SELECT project_id, template_name, status, tasks, duration_s_mean, durations_s[1] AS duration_s_p50,
       durations_s[2] AS duration_s_p99, quality_mean, cost_usd, tokens, business_value_usd
FROM (
  SELECT project_id, template_name, status,
         count(*) AS tasks,
         avg(date_part('epoch', finished_at - created_at)) AS duration_s_mean,
         percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY date_part('epoch', finished_at - created_at)) AS durations_s,
         avg(quality_score) AS quality_mean,
         sum(cost_usd) AS cost_usd,
         sum(tokens) AS tokens,
         sum(business_value_usd) AS business_value_usd
  FROM task_histories
  WHERE id >= first_id_at(now() - interval '24 hours')
  GROUP BY project_id, template_name, status
) AS summed;

-- A word goes; what it told of stays, as a beginning.
UPDATE task_stage_logs SET event = 'task.submitted' WHERE event = 'task.rerun';
DELETE FROM task_stage_logs WHERE event IN (
  'task.paused', 'task.resumed', 'task.undoing', 'stage.awaiting', 'stage.answered', 'stage.spread');
ALTER TABLE task_stage_logs DROP CONSTRAINT task_stage_logs_event_check;
DO $$
DECLARE
  child regclass;
BEGIN
  FOR child IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'task_stage_logs'::regclass LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS task_stage_logs_event_check', child);
  END LOOP;
END $$;
ALTER TABLE task_stage_logs ADD CONSTRAINT task_stage_logs_event_check CHECK (event IN (
  'task.submitted', 'task.completed', 'task.failed', 'task.cancelled',
  'stage.ready', 'stage.started', 'stage.completed', 'stage.failed', 'stage.skipped',
  'stage.retrying', 'stage.cancelled', 'stage.late'));

DROP TABLE pauses;
DROP TABLE task_timers;

DROP INDEX task_histories_open;
DROP INDEX task_histories_project_priority;
DROP INDEX task_histories_project_template;
DROP INDEX task_histories_project_status;
DROP INDEX task_histories_project_id;
DROP INDEX task_histories_untold;
DROP INDEX task_histories_children;
CREATE INDEX task_histories_project_id ON task_histories (project_id, id DESC);
CREATE INDEX task_histories_project_status ON task_histories (project_id, status, id DESC);
CREATE INDEX task_histories_project_template ON task_histories (project_id, template_name, id DESC);
CREATE INDEX task_histories_project_priority ON task_histories (project_id, priority, id DESC) WHERE priority <> 'medium';
CREATE INDEX task_histories_open ON task_histories (id)
  WHERE status IN ('pending', 'running', 'awaiting', 'retrying');

ALTER TABLE task_stages
  DROP COLUMN awaited_at, DROP COLUMN answer, DROP COLUMN children, DROP COLUMN children_open,
  DROP COLUMN children_failed, DROP COLUMN children_tolerated, DROP COLUMN next_child;
ALTER TABLE task_histories
  DROP COLUMN parent_task_id, DROP COLUMN parent_stage, DROP COLUMN parent_attempt, DROP COLUMN item,
  DROP COLUMN only_stage, DROP COLUMN depth, DROP COLUMN counted, DROP COLUMN failing, DROP COLUMN paused;
