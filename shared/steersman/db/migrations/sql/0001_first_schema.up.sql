-- The first schema. Conventions: ids are UUIDv7; every row that belongs to a project carries project_id, which
-- leads the indexes of the list routes; enums are text with a CHECK; created_at and updated_at are kept by a trigger.

CREATE EXTENSION IF NOT EXISTS vector;

CREATE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.created_at := OLD.created_at;
  NEW.updated_at := now();
  RETURN NEW;
END $$;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is immutable: publish a new version instead', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

-- The smallest UUIDv7 of a moment: history is partitioned by month on ids, so that a lookup by id alone
-- prunes to one partition and no second key column is needed (docs/adr/0002).
-- The epoch is taken from an interval because that is immutable, so that the planner can inline the function.
CREATE FUNCTION first_id_at(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT (lpad(to_hex(greatest(0, floor(extract(epoch FROM moment - timestamptz 'epoch') * 1000))::bigint), 12, '0')
          || repeat('0', 20))::uuid
$$;

CREATE TABLE projects (
  id          uuid PRIMARY KEY,
  slug        text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  name        text NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now(),
  updated_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE task_dag_templates (
  id           uuid PRIMARY KEY,
  project_id   uuid NOT NULL REFERENCES projects (id),
  name         text NOT NULL,
  version      integer NOT NULL CHECK (version > 0),
  description  text NOT NULL DEFAULT '',
  spec         jsonb NOT NULL,
  created_by   text NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now(),
  UNIQUE (project_id, name, version)
);

CREATE TABLE task_histories (
  id                   uuid NOT NULL,
  project_id           uuid NOT NULL,
  template_id          uuid NOT NULL,
  template_name        text NOT NULL,
  template_version     integer NOT NULL,
  orchestrator         text NOT NULL DEFAULT 'queue' CHECK (orchestrator IN ('queue', 'step_functions')),
  status               text NOT NULL DEFAULT 'pending'
                       CHECK (status IN ('pending', 'running', 'awaiting', 'retrying', 'completed', 'failed', 'cancelled')),
  priority             text NOT NULL DEFAULT 'medium'
                       CHECK (priority IN ('low', 'medium', 'high', 'critical', 'emergency')),
  input                jsonb NOT NULL,
  output               jsonb,
  error                jsonb,
  requirements         jsonb NOT NULL DEFAULT '[]',
  constraints          jsonb NOT NULL DEFAULT '{}',
  labels               jsonb NOT NULL DEFAULT '{}',
  business_value_usd   numeric(14, 2) CHECK (business_value_usd >= 0),
  business_value_kind  text CHECK (business_value_kind IN
                       ('revenue', 'cost_saving', 'risk_reduction', 'time_saving', 'customer_value', 'other')),
  requested_by         text NOT NULL,
  requested_through    text NOT NULL CHECK (requested_through IN ('api', 'cli', 'schedule', 'issue', 'task')),
  correlation_id       text NOT NULL,
  open_sinks           smallint NOT NULL CHECK (open_sinks >= 0),
  quality_score        real CHECK (quality_score BETWEEN 0 AND 1),
  cost_usd             numeric(14, 6) NOT NULL DEFAULT 0,
  tokens               bigint NOT NULL DEFAULT 0,
  deadline_at          timestamptz,
  started_at           timestamptz,
  finished_at          timestamptz,
  created_at           timestamptz NOT NULL DEFAULT now(),
  updated_at           timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (id)
) PARTITION BY RANGE (id);

CREATE INDEX task_histories_project_id ON task_histories (project_id, id DESC);
CREATE INDEX task_histories_project_status ON task_histories (project_id, status, id DESC);
CREATE INDEX task_histories_project_template ON task_histories (project_id, template_name, id DESC);
CREATE INDEX task_histories_labels ON task_histories USING gin (labels jsonb_path_ops);
CREATE INDEX task_histories_open ON task_histories (id)
  WHERE status IN ('pending', 'running', 'awaiting', 'retrying');

CREATE TABLE task_stages (
  task_id           uuid NOT NULL,
  project_id        uuid NOT NULL,
  name              text NOT NULL,
  position          smallint NOT NULL,
  queue             text NOT NULL
                    CHECK (queue IN ('intent', 'embedding', 'websearch', 'executor', 'moderator', 'responses', 'agent')),
  capability        text NOT NULL,
  status            text NOT NULL DEFAULT 'pending'
                    CHECK (status IN ('pending', 'ready', 'running', 'awaiting', 'completed', 'failed', 'skipped', 'cancelled')),
  pending_needs     smallint NOT NULL CHECK (pending_needs >= 0),
  attempt           smallint NOT NULL DEFAULT 1 CHECK (attempt > 0),
  lease_id          uuid,
  lease_expires_at  timestamptz,
  agent_id          uuid,
  agent_name        text,
  model             text,
  output            jsonb,
  error             jsonb,
  cost_usd          numeric(14, 6) NOT NULL DEFAULT 0,
  tokens            bigint NOT NULL DEFAULT 0,
  ready_at          timestamptz,
  started_at        timestamptz,
  finished_at       timestamptz,
  created_at        timestamptz NOT NULL DEFAULT now(),
  updated_at        timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (task_id, name)
) PARTITION BY RANGE (task_id);

-- Sequences of their own: PostgreSQL 16 knows no identity columns on partitioned tables.
CREATE SEQUENCE task_stage_logs_id;

CREATE TABLE task_stage_logs (
  task_id     uuid NOT NULL,
  id          bigint NOT NULL DEFAULT nextval('task_stage_logs_id'),
  project_id  uuid NOT NULL,
  stage       text,
  event       text NOT NULL CHECK (event IN (
              'task.submitted', 'task.completed', 'task.failed', 'task.cancelled',
              'stage.ready', 'stage.started', 'stage.completed', 'stage.failed', 'stage.skipped',
              'stage.retrying', 'stage.cancelled', 'stage.late')),
  attempt     smallint,
  agent_id    uuid,
  detail      jsonb NOT NULL DEFAULT '{}',
  created_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (task_id, id)
) PARTITION BY RANGE (task_id);

CREATE TABLE agents (
  id                      uuid PRIMARY KEY,
  project_id              uuid NOT NULL REFERENCES projects (id),
  name                    text NOT NULL,
  version                 text NOT NULL,
  description             text NOT NULL DEFAULT '',
  protocol                text NOT NULL
                          CHECK (protocol IN ('builtin', 'http', 'a2a', 'lambda', 'bedrock', 'openai', 'pull')),
  endpoint                text,
  status                  text NOT NULL DEFAULT 'inactive'
                          CHECK (status IN ('active', 'inactive', 'maintenance', 'error', 'scaling')),
  shared                  boolean NOT NULL DEFAULT false,
  tags                    text[] NOT NULL DEFAULT '{}',
  max_concurrency         integer NOT NULL DEFAULT 10 CHECK (max_concurrency > 0),
  price_per_call_usd      numeric(14, 6) NOT NULL DEFAULT 0 CHECK (price_per_call_usd >= 0),
  price_per_million_tokens_usd  numeric(14, 6) NOT NULL DEFAULT 0 CHECK (price_per_million_tokens_usd >= 0),
  created_at              timestamptz NOT NULL DEFAULT now(),
  updated_at              timestamptz NOT NULL DEFAULT now(),
  UNIQUE (project_id, name, version),
  CONSTRAINT agents_active_reachable_check CHECK (status <> 'active' OR endpoint IS NOT NULL OR protocol = 'pull')
);

CREATE TABLE agent_capabilities (
  agent_id       uuid NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
  project_id     uuid NOT NULL REFERENCES projects (id),
  capability     text NOT NULL,
  version        text NOT NULL DEFAULT '1.0.0',
  input_schema   jsonb NOT NULL DEFAULT '{}',
  output_schema  jsonb NOT NULL DEFAULT '{}',
  created_at     timestamptz NOT NULL DEFAULT now(),
  updated_at     timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (agent_id, capability, version)
);
CREATE INDEX agent_capabilities_project_capability ON agent_capabilities (project_id, capability);

CREATE TABLE agent_performance (
  agent_id         uuid NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
  project_id       uuid NOT NULL REFERENCES projects (id),
  capability       text NOT NULL,
  bucket_start     timestamptz NOT NULL,
  calls            bigint NOT NULL DEFAULT 0,
  failures         bigint NOT NULL DEFAULT 0,
  timeouts         bigint NOT NULL DEFAULT 0,
  duration_ms_sum  bigint NOT NULL DEFAULT 0,
  duration_ms_max  bigint NOT NULL DEFAULT 0,
  cost_usd         numeric(14, 6) NOT NULL DEFAULT 0,
  tokens           bigint NOT NULL DEFAULT 0,
  quality_sum      double precision NOT NULL DEFAULT 0,
  quality_count    bigint NOT NULL DEFAULT 0,
  created_at       timestamptz NOT NULL DEFAULT now(),
  updated_at       timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (project_id, agent_id, capability, bucket_start)
);
CREATE INDEX agent_performance_project_bucket ON agent_performance (project_id, bucket_start);
CREATE INDEX agent_performance_agent ON agent_performance (agent_id);

CREATE SEQUENCE agent_health_id;

CREATE TABLE agent_health (
  agent_id    uuid NOT NULL,
  id          bigint NOT NULL DEFAULT nextval('agent_health_id'),
  project_id  uuid NOT NULL,
  status      text NOT NULL CHECK (status IN ('active', 'inactive', 'maintenance', 'error', 'scaling')),
  reason      text NOT NULL DEFAULT '',
  checked_by  text NOT NULL CHECK (checked_by IN ('seed', 'heartbeat', 'http', 'tcp', 'a2a', 'lambda', 'calls', 'person')),
  created_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (agent_id, created_at, id)
) PARTITION BY RANGE (created_at);
CREATE INDEX agent_health_project ON agent_health (project_id, created_at DESC);

CREATE TABLE documents (
  id              uuid PRIMARY KEY,
  project_id      uuid NOT NULL REFERENCES projects (id),
  title           text NOT NULL,
  source_uri      text NOT NULL,
  media_type      text NOT NULL CHECK (media_type IN ('text/markdown', 'text/plain', 'text/html', 'application/pdf')),
  language        text NOT NULL DEFAULT 'en',
  sha256          text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  size_bytes      bigint NOT NULL CHECK (size_bytes > 0),
  storage_key     text,
  chunk_count     integer NOT NULL CHECK (chunk_count > 0),
  labels          jsonb NOT NULL DEFAULT '{}',
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now(),
  UNIQUE (project_id, source_uri)
);
CREATE INDEX documents_project_id ON documents (project_id, id DESC);
CREATE INDEX documents_labels ON documents USING gin (labels jsonb_path_ops);

CREATE TABLE document_chunks (
  id               uuid PRIMARY KEY,
  project_id       uuid NOT NULL REFERENCES projects (id),
  document_id      uuid NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
  position         integer NOT NULL CHECK (position >= 0),
  heading          text NOT NULL DEFAULT '',
  passage          text NOT NULL,
  embedding        vector(256) NOT NULL,
  embedding_model  text NOT NULL,
  search           tsvector NOT NULL GENERATED ALWAYS AS (
                   setweight(to_tsvector('english', heading), 'A') || setweight(to_tsvector('english', passage), 'B')) STORED,
  created_at       timestamptz NOT NULL DEFAULT now(),
  UNIQUE (document_id, position)
);
CREATE INDEX document_chunks_project ON document_chunks (project_id, document_id);
CREATE INDEX document_chunks_search ON document_chunks USING gin (search);
CREATE INDEX document_chunks_embedding ON document_chunks USING hnsw (embedding vector_cosine_ops);

CREATE TABLE evidence (
  id                  uuid PRIMARY KEY,
  project_id          uuid NOT NULL REFERENCES projects (id),
  task_id             uuid NOT NULL,
  number              smallint NOT NULL CHECK (number > 0),
  kind                text NOT NULL CHECK (kind IN ('document', 'web')),
  document_id         uuid REFERENCES documents (id) ON DELETE SET NULL,
  chunk_id            uuid,
  title               text NOT NULL,
  source_uri          text NOT NULL,
  passage             text NOT NULL,
  credibility         numeric(3, 2) NOT NULL CHECK (credibility BETWEEN 0 AND 1),
  credibility_reason  text NOT NULL,
  created_at          timestamptz NOT NULL DEFAULT now(),
  UNIQUE (task_id, number)
);
CREATE INDEX evidence_project_task ON evidence (project_id, task_id);
CREATE INDEX evidence_document ON evidence (document_id);

CREATE TABLE evidence_chains (
  id                  uuid PRIMARY KEY,
  project_id          uuid NOT NULL REFERENCES projects (id),
  task_id             uuid NOT NULL,
  evidence_id         uuid NOT NULL REFERENCES evidence (id) ON DELETE CASCADE,
  parent_evidence_id  uuid REFERENCES evidence (id) ON DELETE CASCADE,
  relation            text NOT NULL CHECK (relation IN ('supports', 'contradicts', 'derived_from')),
  statement_number    smallint CHECK (statement_number > 0),
  statement           text,
  strength            real NOT NULL CHECK (strength BETWEEN 0 AND 1),
  created_at          timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT evidence_chains_link_key UNIQUE NULLS NOT DISTINCT (evidence_id, statement_number, parent_evidence_id)
);
CREATE INDEX evidence_chains_project_task ON evidence_chains (project_id, task_id);
CREATE INDEX evidence_chains_parent ON evidence_chains (parent_evidence_id);

CREATE TABLE idempotency_keys (
  project_id    uuid NOT NULL REFERENCES projects (id),
  route         text NOT NULL,
  key           text NOT NULL,
  request_hash  text NOT NULL,
  response      jsonb NOT NULL,
  created_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (project_id, route, key)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);

-- Rows of a month that nobody prepared land here instead of being refused.
CREATE TABLE task_histories_default PARTITION OF task_histories DEFAULT;
CREATE TABLE task_stages_default PARTITION OF task_stages DEFAULT;
CREATE TABLE task_stage_logs_default PARTITION OF task_stage_logs DEFAULT;
CREATE TABLE agent_health_default PARTITION OF agent_health DEFAULT;

-- One month's partitions of every history table; returns the names of those that it made. Called ahead by a
-- schedule, harmless to repeat. Attached rather than created in place, because that lets readers and writers of
-- the other months pass. A system that slept over the end of its last month finds that month's first rows in the
-- default partition: they move. SECURITY DEFINER: the functions' role owns no table.
CREATE FUNCTION create_history_partitions(month date) RETURNS SETOF text
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

-- Drops the partitions of months that ended before `keep_from`, and the evidence of their tasks; returns the names
-- of the partitions. The running month stays, whatever is asked.
CREATE FUNCTION drop_history_partitions(keep_from date) RETURNS SETOF text
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

REVOKE EXECUTE ON FUNCTION create_history_partitions(date), drop_history_partitions(date) FROM PUBLIC;

SELECT create_history_partitions((date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => n))::date)
FROM generate_series(-1, 3) AS n;

CREATE TRIGGER touch BEFORE UPDATE ON projects FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER touch BEFORE UPDATE ON task_histories FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER touch BEFORE UPDATE ON task_stages FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER touch BEFORE UPDATE ON agents FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER touch BEFORE UPDATE ON agent_capabilities FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER touch BEFORE UPDATE ON agent_performance FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER touch BEFORE UPDATE ON documents FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER immutable BEFORE UPDATE ON task_dag_templates FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE VIEW task_analytics AS
SELECT project_id, template_name, status,
       count(*) AS tasks,
       avg(extract(epoch FROM finished_at - created_at)) AS duration_s_mean,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - created_at)) AS duration_s_p50,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - created_at)) AS duration_s_p99,
       avg(quality_score) AS quality_mean,
       sum(cost_usd) AS cost_usd,
       sum(tokens) AS tokens,
       sum(business_value_usd) AS business_value_usd
FROM task_histories
WHERE id >= first_id_at(now() - interval '24 hours')
GROUP BY project_id, template_name, status;

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

INSERT INTO projects (id, slug, name) VALUES ('00000000-0000-7000-8000-000000000001', 'default', 'Default project');
