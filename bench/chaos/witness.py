"""Witnesses in the database: triggers that write down every change of a status, a lease or a schedule's row, in its
transaction."""

from collections import defaultdict
from collections.abc import Mapping
from uuid import UUID

from bench.chaos.history import Change, ScheduleStep
from steersman.db.connection import Database

# Columns are read through JSON, so that the trigger outlives changes of the tables that do not concern it.
_TRIGGER = """
CREATE SCHEMA chaos;
CREATE TABLE chaos.changes (
  number bigserial PRIMARY KEY, transaction xid8 NOT NULL DEFAULT pg_current_xact_id(), task_id uuid NOT NULL,
  stage text, before text, after text NOT NULL, lease_before uuid, lease_after uuid, lease_left_s float8,
  started bigint);
CREATE FUNCTION chaos.witness() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  was jsonb := CASE WHEN TG_OP = 'UPDATE' THEN to_jsonb(OLD) END;
  becomes jsonb := to_jsonb(NEW);
BEGIN
  IF was ->> 'status' IS DISTINCT FROM becomes ->> 'status'
     OR was ->> 'lease_id' IS DISTINCT FROM becomes ->> 'lease_id' THEN
    INSERT INTO chaos.changes (task_id, stage, before, after, lease_before, lease_after, lease_left_s, started)
    VALUES (coalesce(becomes ->> 'task_id', becomes ->> 'id')::uuid, becomes ->> 'name', was ->> 'status',
            becomes ->> 'status', (was ->> 'lease_id')::uuid, (becomes ->> 'lease_id')::uuid,
            extract(epoch FROM (was ->> 'lease_expires_at')::timestamptz - clock_timestamp()),
            (becomes ->> 'started_id')::bigint);
  END IF;
  RETURN NULL;
END $$;
CREATE TABLE chaos.schedule_steps (
  number bigserial PRIMARY KEY, schedule_id uuid NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp(),
  was jsonb, becomes jsonb NOT NULL);
CREATE FUNCTION chaos.witness_schedule() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO chaos.schedule_steps (schedule_id, was, becomes)
  VALUES (NEW.id, CASE WHEN TG_OP = 'UPDATE' THEN to_jsonb(OLD) END, to_jsonb(NEW));
  RETURN NULL;
END $$;
CREATE TRIGGER witness AFTER INSERT OR UPDATE ON schedules FOR EACH ROW EXECUTE FUNCTION chaos.witness_schedule();
CREATE TRIGGER witness AFTER INSERT OR UPDATE ON task_stages FOR EACH ROW EXECUTE FUNCTION chaos.witness();
CREATE TRIGGER witness AFTER INSERT OR UPDATE ON task_histories FOR EACH ROW EXECUTE FUNCTION chaos.witness();
"""


def install_witness(database: Database) -> None:
    """Have every change of tasks, stages and schedules written down from now on."""
    with database.transaction() as connection:
        connection.execute(_TRIGGER)


def changes(database: Database) -> Mapping[UUID, list[Change]]:
    """Return what was written down, by task, in the order in which it happened."""
    rows = database.run("""
        SELECT task_id, number, transaction::text::bigint AS transaction, stage, before, after, lease_before,
               lease_after, lease_left_s, started
        FROM chaos.changes ORDER BY number""")
    found: dict[UUID, list[Change]] = defaultdict(list)
    for row in rows:
        task_id = row.pop("task_id")
        found[task_id].append(Change(**row))
    return found


def schedule_steps(database: Database) -> Mapping[UUID, list[ScheduleStep]]:
    """Return what was written down of schedules, each in the order in which it happened."""
    rows = database.run("""
        SELECT schedule_id, extract(epoch FROM at)::float8 AS at,
               extract(epoch FROM (was ->> 'next_at')::timestamptz)::float8 AS due_at,
               extract(epoch FROM (becomes ->> 'next_at')::timestamptz)::float8 AS next_at,
               coalesce((was ->> 'paused')::boolean, false) AS was_paused, (becomes ->> 'paused')::boolean AS paused,
               becomes ->> 'expression' AS rate, was ->> 'expression' AS rate_before,
               becomes ->> 'overlap' AS overlap, becomes ->> 'catch_up' AS catch_up,
               extract(epoch FROM (becomes ->> 'last_at')::timestamptz)::float8 AS last_at,
               extract(epoch FROM (becomes -> 'last_skip' ->> 'due_at')::timestamptz)::float8 AS skipped_at,
               extract(epoch FROM (becomes -> 'last_error' ->> 'due_at')::timestamptz)::float8 AS refused_at,
               (becomes ->> 'last_task_id')::uuid AS last_task_id
        FROM chaos.schedule_steps ORDER BY number""")
    found: dict[UUID, list[ScheduleStep]] = defaultdict(list)
    for row in rows:
        schedule_id = row.pop("schedule_id")
        found[schedule_id].append(ScheduleStep(**row))
    return found
