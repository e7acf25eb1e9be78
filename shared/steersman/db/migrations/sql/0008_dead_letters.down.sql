CREATE OR REPLACE FUNCTION drop_history_partitions(keep_from date) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  first      date := date_trunc('month', least(keep_from::timestamp, now() AT TIME ZONE 'UTC'))::date;
  partition  text;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('history_partitions'));
  DELETE FROM evidence WHERE task_id < first_id_at(first::timestamp AT TIME ZONE 'UTC');
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

ALTER TABLE task_stages DROP COLUMN base_attempt, DROP COLUMN input;
ALTER TABLE task_histories DROP COLUMN cloned_from;

DROP TABLE dead_letters, audit_entries;
