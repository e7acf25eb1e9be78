DROP FUNCTION analyze_history();

DO $$
DECLARE
  child regclass;
BEGIN
  FOR child IN
    SELECT inhrelid::regclass FROM pg_inherits
    WHERE inhparent IN ('task_histories'::regclass, 'task_stages'::regclass,
                        'task_stage_logs'::regclass, 'agent_health'::regclass)
  LOOP
    EXECUTE format('ALTER TABLE %s RESET (autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor)', child);
  END LOOP;
END $$;

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
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS) WITH (fillfactor = %s)',
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

ALTER TABLE task_stages DROP COLUMN resent_at;

DROP FUNCTION fold_agent_performance(timestamptz);

DROP VIEW agent_performance_summary;
CREATE VIEW agent_performance_summary AS
SELECT p.project_id, p.agent_id, a.name AS agent_name, a.version AS agent_version, p.capability,
       sum(p.calls) AS calls,
       sum(p.failures) AS failures,
       sum(p.timeouts) AS timeouts,
       1 - sum(p.failures)::double precision / nullif(sum(p.calls), 0) AS success_rate,
       sum(p.duration_ms_sum)::double precision / nullif(sum(p.calls), 0) AS duration_ms_mean,
       max(p.duration_ms_max) AS duration_ms_max,
       sum(p.cost_usd) AS cost_usd,
       sum(p.tokens) AS tokens,
       sum(p.quality_sum) / nullif(sum(p.quality_count), 0) AS quality_mean,
       max(p.bucket_start) AS last_active_at
FROM agent_performance p JOIN agents a ON a.id = p.agent_id
GROUP BY p.project_id, p.agent_id, a.name, a.version, p.capability;

DROP INDEX task_histories_labels;
CREATE INDEX task_histories_labels ON task_histories USING gin (labels jsonb_path_ops);

DROP INDEX task_histories_project_priority;
