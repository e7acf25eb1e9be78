DROP INDEX task_timers_day_budget;
ALTER TABLE task_timers DROP COLUMN day_budget;

ALTER TABLE project_limits DROP COLUMN usd_per_day, DROP COLUMN tokens_per_day;
