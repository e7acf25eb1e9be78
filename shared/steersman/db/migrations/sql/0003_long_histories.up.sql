-- Reading a long history: each filter of the lists has its index, and views cost what they return.

-- Few tasks are not of medium priority; the others need no entry. The list's statement names the priority literally,
-- so that any plan can use this index.
CREATE INDEX task_histories_project_priority ON task_histories (project_id, priority, id DESC)
  WHERE priority <> 'medium';

-- Tasks without labels need no entry. Every change of a task's status writes all of its index entries anew.
DROP INDEX task_histories_labels;
CREATE INDEX task_histories_labels ON task_histories USING gin (labels jsonb_path_ops) WHERE labels <> '{}';

CREATE OR REPLACE VIEW agent_performance_summary AS
SELECT s.project_id, s.agent_id, a.name AS agent_name, a.version AS agent_version, s.capability, s.calls, s.failures,
       s.timeouts,
       1 - s.failures::double precision / nullif(s.calls, 0) AS success_rate,
       s.duration_ms_sum::double precision / nullif(s.calls, 0) AS duration_ms_mean,
       s.duration_ms_max, s.cost_usd, s.tokens,
       s.quality_sum / nullif(s.quality_count, 0) AS quality_mean,
       s.last_active_at
FROM (
  SELECT project_id, agent_id, capability, sum(calls) AS calls, sum(failures) AS failures, sum(timeouts) AS timeouts,
         sum(duration_ms_sum) AS duration_ms_sum, max(duration_ms_max) AS duration_ms_max, sum(cost_usd) AS cost_usd,
         sum(tokens) AS tokens, sum(quality_sum) AS quality_sum, sum(quality_count) AS quality_count,
         max(bucket_start) AS last_active_at
  FROM agent_performance
  GROUP BY project_id, agent_id, capability
) AS s JOIN agents a ON a.id = s.agent_id;

-- Hours, and the slots of workers, become days once nobody asks for hours any more: else this table grows for ever.
-- Returns how many rows that saved. SECURITY DEFINER as for the partitions: one schedule does both.
CREATE FUNCTION fold_agent_performance(keep_hours_from timestamptz) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  WITH unfolded AS (
    SELECT DISTINCT date_trunc('day', bucket_start, 'UTC') AS day FROM agent_performance
    WHERE bucket_start < date_trunc('day', least(keep_hours_from, now()), 'UTC')
      AND (slot <> 0 OR bucket_start <> date_trunc('day', bucket_start, 'UTC'))
  ), taken AS (
    DELETE FROM agent_performance p USING unfolded u
    WHERE p.bucket_start >= u.day AND p.bucket_start < u.day + interval '1 day'
    RETURNING p.*, u.day
  ), folded AS (
    INSERT INTO agent_performance (agent_id, project_id, capability, bucket_start, calls, failures, timeouts,
      duration_ms_sum, duration_ms_max, cost_usd, tokens, quality_sum, quality_count)
    SELECT agent_id, project_id, capability, day, sum(calls), sum(failures), sum(timeouts), sum(duration_ms_sum),
           max(duration_ms_max), sum(cost_usd), sum(tokens), sum(quality_sum), sum(quality_count)
    FROM taken GROUP BY agent_id, project_id, capability, day
    RETURNING 1
  )
  SELECT (SELECT count(*) FROM taken) - (SELECT count(*) FROM folded)
$$;

REVOKE EXECUTE ON FUNCTION fold_agent_performance(timestamptz) FROM PUBLIC;

-- When the sweep sent a stage's job again: it is not sent again before the same patience is over once more.
ALTER TABLE task_stages ADD COLUMN resent_at timestamptz;

-- The defaults wait until a tenth or a fifth of a month's millions of rows have changed.
CREATE OR REPLACE FUNCTION create_history_partitions(month date) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  first    timestamptz := date_trunc('month', month::timestamp) AT TIME ZONE 'UTC';
  next     timestamptz := (date_trunc('month', month::timestamp) + interval '1 month') AT TIME ZONE 'UTC';
  history  record;
  child    text;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('history_partitions'));
  FOR history IN
    SELECT * FROM (VALUES
      ('agent_health',    'created_at', first::text,              next::text,              100),
      ('task_histories',  'id',         first_id_at(first)::text, first_id_at(next)::text, 70),
      ('task_stages',     'task_id',    first_id_at(first)::text, first_id_at(next)::text, 70),
      ('task_stage_logs', 'task_id',    first_id_at(first)::text, first_id_at(next)::text, 100)
    ) AS histories (parent, key, low, high, fill)
  LOOP
    child := history.parent || to_char(month, '"_y"YYYY"m"MM');
    CONTINUE WHEN to_regclass(child) IS NOT NULL;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS) WITH (fillfactor = %s,
                    autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02)',
                   child, history.parent, history.fill);
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', history.parent || '_default');
    EXECUTE format('WITH moved AS (DELETE FROM %I WHERE %I >= %L AND %2$I < %4$L RETURNING *)
                    INSERT INTO %5$I SELECT * FROM moved',
                   history.parent || '_default', history.key, history.low, history.high, child);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                   history.parent, child, history.low, history.high);
    RETURN NEXT child;
  END LOOP;
END $$;

DO $$
DECLARE
  child regclass;
BEGIN
  FOR child IN
    SELECT inhrelid::regclass FROM pg_inherits
    WHERE inhparent IN ('task_histories'::regclass, 'task_stages'::regclass,
                        'task_stage_logs'::regclass, 'agent_health'::regclass)
  LOOP
    EXECUTE format('ALTER TABLE %s SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02)',
                   child);
  END LOOP;
END $$;

-- Statistics of the partitioned tables themselves, which autovacuum never gathers.
CREATE FUNCTION analyze_history() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  ANALYZE task_histories, task_stages, task_stage_logs;
END $$;

REVOKE EXECUTE ON FUNCTION analyze_history() FROM PUBLIC;
