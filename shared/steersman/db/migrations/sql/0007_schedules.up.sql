-- A schedule makes a task of its template whenever next_at has come. A sweep looks for the few that are due, and asks
-- for the earliest next_at before it leaves the database asleep: both are served by schedules_due.

CREATE TABLE schedules (
  id                uuid PRIMARY KEY,
  project_id        uuid NOT NULL REFERENCES projects (id),
  name              text NOT NULL,
  template_name     text NOT NULL,
  template_version  integer CHECK (template_version > 0),  -- null: the newest at each time
  input             jsonb NOT NULL,
  priority          text NOT NULL DEFAULT 'medium'
                    CHECK (priority IN ('low', 'medium', 'high', 'critical', 'emergency')),
  labels            jsonb NOT NULL DEFAULT '{}',
  constraints       jsonb NOT NULL DEFAULT '{}',
  when_kind         text NOT NULL CHECK (when_kind IN ('cron', 'rate')),
  expression        text NOT NULL,
  timezone          text NOT NULL DEFAULT 'UTC',
  paused            boolean NOT NULL DEFAULT false,
  overlap           text NOT NULL DEFAULT 'allow' CHECK (overlap IN ('allow', 'skip')),
  catch_up          text NOT NULL DEFAULT 'one' CHECK (catch_up IN ('one', 'none')),
  next_at           timestamptz NOT NULL,
  last_at           timestamptz,
  last_task_id      uuid,
  last_error        jsonb,
  last_skip         jsonb,
  created_by        text NOT NULL,
  created_at        timestamptz NOT NULL DEFAULT now(),
  updated_at        timestamptz NOT NULL DEFAULT now(),
  UNIQUE (project_id, name)
);

CREATE INDEX schedules_due ON schedules (next_at) WHERE NOT paused;
CREATE INDEX schedules_template ON schedules (project_id, template_name, next_at);

CREATE TRIGGER touch BEFORE UPDATE ON schedules FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
