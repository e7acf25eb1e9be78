-- Dead letters and audit entries as rows, and what a task that runs again has to remember.

-- Without foreign keys, as the history is: what tells of an end must not be able to stand in its way.
CREATE TABLE audit_entries (
  id          uuid PRIMARY KEY,
  project_id  uuid NOT NULL,
  at          timestamptz NOT NULL DEFAULT now(),
  by          text NOT NULL,
  action      text NOT NULL,
  target      text NOT NULL,
  detail      jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_entries_project_id ON audit_entries (project_id, id DESC);

CREATE TABLE dead_letters (
  id                uuid PRIMARY KEY,
  project_id        uuid NOT NULL,
  task_id           uuid NOT NULL,
  stage             text NOT NULL,
  template_name     text NOT NULL,
  template_version  integer NOT NULL,
  queue             text NOT NULL,
  capability        text NOT NULL,
  attempt           smallint NOT NULL,
  error_code        text NOT NULL,
  error             jsonb NOT NULL,
  failed_at         timestamptz NOT NULL,
  status            text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'redriven', 'discarded')),
  decided_by        text,
  decided_at        timestamptz,
  reason            text
);
CREATE INDEX dead_letters_project_status ON dead_letters (project_id, status, id DESC);
CREATE INDEX dead_letters_project_template ON dead_letters (project_id, template_name, id DESC);
CREATE INDEX dead_letters_project_error ON dead_letters (project_id, error_code, id DESC);
CREATE INDEX dead_letters_task ON dead_letters (task_id);

ALTER TABLE task_histories ADD COLUMN cloned_from uuid;

ALTER TABLE task_stages
  ADD COLUMN base_attempt smallint NOT NULL DEFAULT 0 CHECK (base_attempt >= 0),  -- attempts of earlier runs
  ADD COLUMN input jsonb;  -- instead of the task's, for this stage alone

-- What failed before there were such rows. An id that sorts by the time of the failure: a UUIDv7.
INSERT INTO dead_letters (id, project_id, task_id, stage, template_name, template_version, queue, capability, attempt,
  error_code, error, failed_at)
SELECT (left(first_id_at(coalesce(s.finished_at, t.finished_at, t.created_at))::text, 14) || '7'
        || substr(gen_random_uuid()::text, 16))::uuid,
       s.project_id, s.task_id, s.name, t.template_name, t.template_version, s.queue, s.capability, s.attempt,
       coalesce(s.error ->> 'code', 'unknown'), coalesce(s.error, '{}'),
       coalesce(s.finished_at, t.finished_at, t.created_at)
FROM task_stages s JOIN task_histories t ON t.id = s.task_id
WHERE s.status = 'failed' AND t.status = 'failed';

-- As before, and the dead letters of the tasks that go.
CREATE OR REPLACE FUNCTION drop_history_partitions(keep_from date) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  first      date := date_trunc('month', least(keep_from::timestamp, now() AT TIME ZONE 'UTC'))::date;
  partition  text;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('history_partitions'));
  DELETE FROM evidence WHERE task_id < first_id_at(first::timestamp AT TIME ZONE 'UTC');
  DELETE FROM dead_letters WHERE task_id < first_id_at(first::timestamp AT TIME ZONE 'UTC');
  FOR partition IN
    SELECT child.relname
    FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
    WHERE inhparent IN ('task_histories'::regclass, 'task_stages'::regclass,
                        'task_stage_logs'::regclass, 'agent_health'::regclass)
      AND child.relname ~ '_y\d{4}m\d{2}$'
      AND to_date(right(child.relname, 7), 'YYYY"m"MM') < first
    ORDER BY child.relname
  LOOP
    EXECUTE format('DROP TABLE %I', partition);
    RETURN NEXT partition;
  END LOOP;
END $$;
