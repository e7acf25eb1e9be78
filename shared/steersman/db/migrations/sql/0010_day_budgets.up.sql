ALTER TABLE project_limits
  ADD COLUMN usd_per_day numeric(14, 6) CHECK (usd_per_day > 0),
  ADD COLUMN tokens_per_day bigint CHECK (tokens_per_day > 0);

-- Whether a stage waits because its project's budget of the day is spent: so all that such a budget stopped is found,
-- items of fan-outs too, however much else waits. It holds while the stage still waits.
ALTER TABLE task_timers ADD COLUMN day_budget boolean NOT NULL DEFAULT false;
CREATE INDEX task_timers_day_budget ON task_timers (project_id, task_id, stage) WHERE day_budget;
