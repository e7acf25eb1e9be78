-- Tasks that tasks start: one of a stage of kind task, or one for each item of a fan-out. They are tasks like others,
-- but belong to a stage of their parent and stay out of the lists of a project.
ALTER TABLE task_histories
  ADD COLUMN parent_task_id uuid,
  ADD COLUMN parent_stage text,
  ADD COLUMN parent_attempt smallint,            -- the attempt of that stage that started it
  ADD COLUMN item integer,                       -- which item of the fan-out, from 0
  ADD COLUMN only_stage text,                    -- an item of an agent stage does this one stage of the template
  ADD COLUMN depth smallint NOT NULL DEFAULT 0,  -- how many tasks stand above it
  ADD COLUMN counted boolean,                    -- whether its parent knows that it has ended
  ADD COLUMN failing jsonb,                      -- why it fails, while what it did is undone
  ADD COLUMN paused jsonb;                       -- since when, by whom, why; and its deadline from before

ALTER TABLE task_stages
  ADD COLUMN awaited_at timestamptz,             -- since when it waits for an answer or a time
  ADD COLUMN answer jsonb,                       -- what it waited for
  ADD COLUMN children integer,                   -- tasks that it started: in all, not ended, failed,
  ADD COLUMN children_open integer,
  ADD COLUMN children_failed integer,
  ADD COLUMN children_tolerated integer,         -- how many may fail before the others are not waited for,
  ADD COLUMN next_child integer;                 -- and the first that may not begin yet

CREATE INDEX task_histories_children ON task_histories (parent_task_id, parent_stage, item)
  WHERE parent_task_id IS NOT NULL;
-- What a crash kept from its parent: nearly always empty.
CREATE INDEX task_histories_untold ON task_histories (finished_at)
  WHERE counted IS NULL AND parent_task_id IS NOT NULL AND status IN ('completed', 'failed', 'cancelled');
DROP INDEX task_histories_project_id;
DROP INDEX task_histories_project_status;
DROP INDEX task_histories_project_template;
DROP INDEX task_histories_project_priority;
DROP INDEX task_histories_open;
CREATE INDEX task_histories_project_id ON task_histories (project_id, id DESC) WHERE parent_task_id IS NULL;
CREATE INDEX task_histories_project_status ON task_histories (project_id, status, id DESC) WHERE parent_task_id IS NULL;
CREATE INDEX task_histories_project_template ON task_histories (project_id, template_name, id DESC)
  WHERE parent_task_id IS NULL;
CREATE INDEX task_histories_project_priority ON task_histories (project_id, priority, id DESC)
  WHERE priority <> 'medium' AND parent_task_id IS NULL;
-- A task that only waits is not looked at each minute: its timers say when to.
CREATE INDEX task_histories_open ON task_histories (id) WHERE status IN ('pending', 'running', 'retrying');

-- When a waiting stage goes on by itself (stage '' stands for the deadline of a task that waits). A row that nobody
-- needs any more does no harm: what it names is looked at before anything is done.
CREATE TABLE task_timers (
  task_id     uuid NOT NULL,
  stage       text NOT NULL,
  project_id  uuid NOT NULL,
  due_at      timestamptz NOT NULL,
  PRIMARY KEY (task_id, stage)
);
CREATE INDEX task_timers_due ON task_timers (due_at);

-- What is stopped for a while, for a whole project (scope 'queue' or 'template').
CREATE TABLE pauses (
  project_id  uuid NOT NULL REFERENCES projects (id),
  scope       text NOT NULL CHECK (scope IN ('template', 'queue')),
  name        text NOT NULL,
  by          text NOT NULL,
  reason      text,
  created_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (project_id, scope, name)
);

-- Partitions have the rule of their own too, from before they were attached.
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
  'task.submitted', 'task.completed', 'task.failed', 'task.cancelled', 'task.paused', 'task.resumed', 'task.undoing', 'task.rerun',
  'stage.ready', 'stage.started', 'stage.completed', 'stage.failed', 'stage.skipped',
  'stage.retrying', 'stage.cancelled', 'stage.late', 'stage.awaiting', 'stage.answered', 'stage.spread'));

-- What a task costs holds what its children cost: they are not counted once more.
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
  WHERE id >= first_id_at(now() - interval '24 hours') AND parent_task_id IS NULL
  GROUP BY project_id, template_name, status
) AS summed;
