"""The schema as SQLAlchemy metadata, for Alembic's comparison and for readers; functions use psycopg and SQL.

Views, functions and triggers are in migrations/sql only. A test holds this equal to the migrated database.
"""

from collections.abc import Iterable
from typing import Any

from pgvector.sqlalchemy import VECTOR
from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    Sequence,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR

from steersman.tasks.words import LetterStatus, Orchestrator, Priority, Queue, StageStatus, TaskStatus

EMBEDDING_DIMENSIONS = 256

# The names that PostgreSQL gives by itself, so that the SQL need not spell them.
metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)

AGENT_STATUSES = ("active", "inactive", "maintenance", "error", "scaling")
# Those that only wait are not looked at: their timers say when to.
UNFINISHED = [str(status) for status in TaskStatus if not status.final and status is not TaskStatus.AWAITING]
TOP_LEVEL = text("parent_task_id IS NULL")


def _check(name: str, rule: str) -> CheckConstraint:
    return CheckConstraint(rule, name=name)


def _one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    return _check(column, f"{column} IN ({_quoted(values)})")


def _quoted(values: Iterable[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)


def _id(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, Uuid, nullable=nullable)


def _text(name: str, *, nullable: bool = False, default: str | None = None) -> Column[Any]:
    return Column(name, Text, nullable=nullable, server_default=default)


def _json(name: str, *, nullable: bool = False, default: str | None = None) -> Column[Any]:
    return Column(name, JSONB, nullable=nullable, server_default=default)


def _count(name: str, kind: Any = BigInteger, *, default: str | None = "0") -> Column[Any]:
    return Column(name, kind, nullable=False, server_default=text(default) if default else None)


def _usd(name: str) -> Column[Any]:
    return Column(name, Numeric(14, 6), nullable=False, server_default=text("0"))


def _time(name: str, *, nullable: bool = True) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _created_at() -> Column[Any]:
    return Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now())


def _created_and_updated_at() -> tuple[Column[Any], Column[Any]]:
    updated_at = Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now())
    return _created_at(), updated_at


def _reference(name: str, target: str, *, ondelete: str | None = None, nullable: bool = False) -> Column[Any]:
    return Column(name, Uuid, ForeignKey(target, ondelete=ondelete), nullable=nullable)


def _project() -> Column[Any]:
    return _reference("project_id", "projects.id")


projects = Table(
    "projects",
    metadata,
    Column("id", Uuid, primary_key=True),
    _text("slug"),
    _text("name"),
    *_created_and_updated_at(),
    UniqueConstraint("slug"),
    _check("slug", "slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'"),
)

project_limits = Table(
    "project_limits",
    metadata,
    Column("project_id", Uuid, ForeignKey("projects.id"), primary_key=True),
    Column("max_running_stages", Integer),
    _text("updated_by"),
    *_created_and_updated_at(),
    Column("usd_per_day", Numeric(14, 6)),
    Column("tokens_per_day", BigInteger),
    _check("max_running_stages", "max_running_stages > 0"),
    _check("usd_per_day", "usd_per_day > 0"),
    _check("tokens_per_day", "tokens_per_day > 0"),
)

task_dag_templates = Table(
    "task_dag_templates",
    metadata,
    Column("id", Uuid, primary_key=True),
    _project(),
    _text("name"),
    Column("version", Integer, nullable=False),
    _text("description", default=""),
    _json("spec"),
    _text("created_by"),
    _created_at(),
    _text("state_machine", nullable=True),
    UniqueConstraint("project_id", "name", "version"),
    _check("version", "version > 0"),
)

schedules = Table(
    "schedules",
    metadata,
    Column("id", Uuid, primary_key=True),
    _project(),
    _text("name"),
    _text("template_name"),
    Column("template_version", Integer),
    _json("input"),
    _text("priority", default=Priority.MEDIUM),
    _json("labels", default="{}"),
    _json("constraints", default="{}"),
    _text("when_kind"),
    _text("expression"),
    _text("timezone", default="UTC"),
    Column("paused", Boolean, nullable=False, server_default=text("false")),
    _text("overlap", default="allow"),
    _text("catch_up", default="one"),
    _time("next_at", nullable=False),
    _time("last_at"),
    _id("last_task_id", nullable=True),
    _json("last_error", nullable=True),
    _json("last_skip", nullable=True),
    _text("created_by"),
    *_created_and_updated_at(),
    UniqueConstraint("project_id", "name"),
    _check("template_version", "template_version > 0"),
    _one_of("priority", Priority),
    _one_of("when_kind", ("cron", "rate")),
    _one_of("overlap", ("allow", "skip")),
    _one_of("catch_up", ("one", "none")),
    Index("schedules_template", "project_id", "template_name", "next_at"),
)
Index("schedules_due", schedules.c.next_at, postgresql_where=text("NOT paused"))

task_histories = Table(
    "task_histories",
    metadata,
    Column("id", Uuid, primary_key=True),
    _id("project_id"),
    _id("template_id"),
    _text("template_name"),
    Column("template_version", Integer, nullable=False),
    _text("orchestrator", default=Orchestrator.QUEUE),
    _text("status", default=TaskStatus.PENDING),
    _text("priority", default=Priority.MEDIUM),
    _json("input"),
    _json("output", nullable=True),
    _json("error", nullable=True),
    _json("requirements", default="[]"),
    _json("constraints", default="{}"),
    _json("labels", default="{}"),
    Column("business_value_usd", Numeric(14, 2)),
    _text("business_value_kind", nullable=True),
    _text("requested_by"),
    _text("requested_through"),
    _text("correlation_id"),
    _count("open_sinks", SmallInteger, default=None),
    Column("quality_score", REAL),
    _usd("cost_usd"),
    _count("tokens"),
    _time("deadline_at"),
    _time("started_at"),
    _time("finished_at"),
    *_created_and_updated_at(),
    _id("parent_task_id", nullable=True),
    _text("parent_stage", nullable=True),
    Column("parent_attempt", SmallInteger),
    Column("item", Integer),
    _text("only_stage", nullable=True),
    _count("depth", SmallInteger),
    Column("counted", Boolean),
    _json("failing", nullable=True),
    _json("paused", nullable=True),
    _id("cloned_from", nullable=True),
    _one_of("orchestrator", Orchestrator),
    _one_of("status", TaskStatus),
    _one_of("priority", Priority),
    _one_of(
        "business_value_kind",
        ("revenue", "cost_saving", "risk_reduction", "time_saving", "customer_value", "other"),
    ),
    _one_of("requested_through", ("api", "cli", "schedule", "issue", "task")),
    _check("business_value_usd", "business_value_usd >= 0"),
    _check("open_sinks", "open_sinks >= 0"),
    _check("quality_score", "quality_score BETWEEN 0 AND 1"),
    postgresql_partition_by="RANGE (id)",
)
_task = task_histories.c
Index("task_histories_project_id", _task.project_id, _task.id.desc(), postgresql_where=TOP_LEVEL)
Index(
    "task_histories_project_status",
    _task.project_id,
    _task.status,
    _task.id.desc(),
    postgresql_where=TOP_LEVEL,
)
Index(
    "task_histories_project_template",
    _task.project_id,
    _task.template_name,
    _task.id.desc(),
    postgresql_where=TOP_LEVEL,
)
Index(
    "task_histories_children",
    _task.parent_task_id,
    _task.parent_stage,
    _task.item,
    postgresql_where=text("parent_task_id IS NOT NULL"),
)
Index(
    "task_histories_untold",
    _task.finished_at,
    postgresql_where=text(
        "counted IS NULL AND parent_task_id IS NOT NULL AND status IN ('completed', 'failed', 'cancelled')"
    ),
)
Index(
    "task_histories_labels",
    _task.labels,
    postgresql_using="gin",
    postgresql_ops={"labels": "jsonb_path_ops"},
    postgresql_where=text("labels <> '{}'"),
)
Index(
    "task_histories_project_priority",
    _task.project_id,
    _task.priority,
    _task.id.desc(),
    postgresql_where=text("priority <> 'medium' AND parent_task_id IS NULL"),
)
Index("task_histories_open", _task.id, postgresql_where=text(f"status IN ({_quoted(UNFINISHED)})"))

task_stages = Table(
    "task_stages",
    metadata,
    _id("task_id"),
    _id("project_id"),
    _text("name"),
    _count("position", SmallInteger, default=None),
    _text("queue"),
    _text("capability"),
    _text("status", default=StageStatus.PENDING),
    _count("pending_needs", SmallInteger, default=None),
    _count("attempt", SmallInteger, default="1"),
    _id("lease_id", nullable=True),
    _time("lease_expires_at"),
    _id("agent_id", nullable=True),
    _text("agent_name", nullable=True),
    _text("model", nullable=True),
    _json("output", nullable=True),
    _json("error", nullable=True),
    _usd("cost_usd"),
    _count("tokens"),
    _time("ready_at"),
    _time("started_at"),
    _time("finished_at"),
    _created_at(),
    _time("resent_at"),
    Column("started_id", BigInteger),
    Column("lost_id", BigInteger),
    _time("lost_at"),
    _time("awaited_at"),
    _json("answer", nullable=True),
    Column("children", Integer),
    Column("children_open", Integer),
    Column("children_failed", Integer),
    Column("children_tolerated", Integer),
    Column("next_child", Integer),
    _count("base_attempt", SmallInteger),
    _json("input", nullable=True),
    _text("waiting_for", nullable=True),
    PrimaryKeyConstraint("task_id", "name"),
    _one_of("queue", Queue),
    _one_of("status", StageStatus),
    _check("pending_needs", "pending_needs >= 0"),
    _check("attempt", "attempt > 0"),
    _check("base_attempt", "base_attempt >= 0"),
    postgresql_partition_by="RANGE (task_id)",
)

Sequence("task_stage_logs_id", increment=128, metadata=metadata)

task_stage_logs = Table(
    "task_stage_logs",
    metadata,
    _id("task_id"),
    _count("id", default="nextval('task_stage_logs_id'::regclass)"),
    _id("project_id"),
    _text("stage", nullable=True),
    _text("event"),
    Column("attempt", SmallInteger),
    _id("agent_id", nullable=True),
    _json("detail", default="{}"),
    _created_at(),
    Column("started_id", BigInteger),
    _time("started_at"),
    Column("frees", ARRAY(Text)),
    PrimaryKeyConstraint("task_id", "id"),
    _one_of(
        "event",
        (
            *(f"task.{event}" for event in ("submitted", "completed", "failed", "cancelled")),
            *(f"task.{event}" for event in ("paused", "resumed", "undoing", "rerun")),
            *(f"stage.{event}" for event in ("ready", "started", "completed", "failed", "skipped")),
            *(f"stage.{event}" for event in ("retrying", "cancelled", "late")),
            *(f"stage.{event}" for event in ("awaiting", "answered", "spread")),
        ),
    ),
    postgresql_partition_by="RANGE (task_id)",
)

task_timers = Table(
    "task_timers",
    metadata,
    _id("task_id"),
    _text("stage"),
    _id("project_id"),
    _time("due_at", nullable=False),
    Column("day_budget", Boolean, nullable=False, server_default=text("false")),
    PrimaryKeyConstraint("task_id", "stage"),
    Index("task_timers_due", "due_at"),
    Index("task_timers_day_budget", "project_id", "task_id", "stage", postgresql_where=text("day_budget")),
)

stage_tokens = Table(
    "stage_tokens",
    metadata,
    _id("task_id"),
    _text("stage"),
    _text("move"),
    _text("token"),
    _count("attempt", SmallInteger, default=None),
    _created_at(),
    PrimaryKeyConstraint("task_id", "stage", "token"),
)

pauses = Table(
    "pauses",
    metadata,
    _project(),
    _text("scope"),
    _text("name"),
    _text("by"),
    _text("reason", nullable=True),
    _created_at(),
    PrimaryKeyConstraint("project_id", "scope", "name"),
    _one_of("scope", ("template", "queue")),
)
dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Uuid, primary_key=True),
    _id("project_id"),
    _id("task_id"),
    _text("stage"),
    _text("template_name"),
    Column("template_version", Integer, nullable=False),
    _text("queue"),
    _text("capability"),
    _count("attempt", SmallInteger, default=None),
    _text("error_code"),
    _json("error"),
    _time("failed_at", nullable=False),
    _text("status", default=LetterStatus.OPEN),
    _text("decided_by", nullable=True),
    _time("decided_at"),
    _text("reason", nullable=True),
    _one_of("status", LetterStatus),
    Index("dead_letters_task", "task_id"),
)
_letter = dead_letters.c
Index("dead_letters_project_status", _letter.project_id, _letter.status, _letter.id.desc())
Index("dead_letters_project_template", _letter.project_id, _letter.template_name, _letter.id.desc())
Index("dead_letters_project_error", _letter.project_id, _letter.error_code, _letter.id.desc())

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("id", Uuid, primary_key=True),
    _id("project_id"),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    _text("by"),
    _text("action"),
    _text("target"),
    _json("detail", default="{}"),
)
Index("audit_entries_project_id", audit_entries.c.project_id, audit_entries.c.id.desc())

agents = Table(
    "agents",
    metadata,
    Column("id", Uuid, primary_key=True),
    _project(),
    _text("name"),
    _text("version"),
    _text("description", default=""),
    _text("protocol"),
    _text("endpoint", nullable=True),
    _text("status", default="inactive"),
    Column("shared", Boolean, nullable=False, server_default=text("false")),
    Column("tags", ARRAY(Text), nullable=False, server_default="{}"),
    _count("max_concurrency", Integer, default="10"),
    _usd("price_per_call_usd"),
    _usd("price_per_million_tokens_usd"),
    *_created_and_updated_at(),
    UniqueConstraint("project_id", "name", "version"),
    _one_of("protocol", ("builtin", "http", "a2a", "lambda", "bedrock", "openai", "pull")),
    _one_of("status", AGENT_STATUSES),
    _check("max_concurrency", "max_concurrency > 0"),
    _check("price_per_call_usd", "price_per_call_usd >= 0"),
    _check("price_per_million_tokens_usd", "price_per_million_tokens_usd >= 0"),
    _check("active_reachable", "status <> 'active' OR endpoint IS NOT NULL OR protocol = 'pull'"),
)

agent_capabilities = Table(
    "agent_capabilities",
    metadata,
    _reference("agent_id", "agents.id", ondelete="CASCADE"),
    _project(),
    _text("capability"),
    _text("version", default="1.0.0"),
    _json("input_schema", default="{}"),
    _json("output_schema", default="{}"),
    *_created_and_updated_at(),
    PrimaryKeyConstraint("agent_id", "capability", "version"),
    Index("agent_capabilities_project_capability", "project_id", "capability"),
)

agent_performance = Table(
    "agent_performance",
    metadata,
    _reference("agent_id", "agents.id", ondelete="CASCADE"),
    _project(),
    _text("capability"),
    _time("bucket_start", nullable=False),
    _count("calls"),
    _count("failures"),
    _count("timeouts"),
    _count("duration_ms_sum"),
    _count("duration_ms_max"),
    _usd("cost_usd"),
    _count("tokens"),
    _count("quality_sum", Double),
    _count("quality_count"),
    *_created_and_updated_at(),
    _count("slot", SmallInteger),
    PrimaryKeyConstraint("project_id", "agent_id", "capability", "bucket_start", "slot"),
    Index("agent_performance_project_bucket", "project_id", "bucket_start"),
    Index("agent_performance_agent", "agent_id"),
)

Sequence("agent_health_id", metadata=metadata)

agent_health = Table(
    "agent_health",
    metadata,
    _id("agent_id"),
    _count("id", default="nextval('agent_health_id'::regclass)"),
    _id("project_id"),
    _text("status"),
    _text("reason", default=""),
    _text("checked_by"),
    _created_at(),
    PrimaryKeyConstraint("agent_id", "created_at", "id"),
    _one_of("status", AGENT_STATUSES),
    _one_of("checked_by", ("seed", "heartbeat", "http", "tcp", "a2a", "lambda", "calls", "person")),
    postgresql_partition_by="RANGE (created_at)",
)
Index("agent_health_project", agent_health.c.project_id, agent_health.c.created_at.desc())

documents = Table(
    "documents",
    metadata,
    Column("id", Uuid, primary_key=True),
    _project(),
    _text("title"),
    _text("source_uri"),
    _text("media_type"),
    _text("language", default="en"),
    _text("sha256"),
    _count("size_bytes", default=None),
    _text("storage_key", nullable=True),
    _count("chunk_count", Integer, default=None),
    _json("labels", default="{}"),
    *_created_and_updated_at(),
    UniqueConstraint("project_id", "source_uri"),
    _one_of("media_type", ("text/markdown", "text/plain", "text/html", "application/pdf")),
    _check("sha256", "sha256 ~ '^[0-9a-f]{64}$'"),
    _check("size_bytes", "size_bytes > 0"),
    _check("chunk_count", "chunk_count > 0"),
)
Index("documents_project_id", documents.c.project_id, documents.c.id.desc())
Index(
    "documents_labels",
    documents.c.labels,
    postgresql_using="gin",
    postgresql_ops={"labels": "jsonb_path_ops"},
)

document_chunks = Table(
    "document_chunks",
    metadata,
    Column("id", Uuid, primary_key=True),
    _project(),
    _reference("document_id", "documents.id", ondelete="CASCADE"),
    _count("position", Integer, default=None),
    _text("heading", default=""),
    _text("passage"),
    Column("embedding", VECTOR(EMBEDDING_DIMENSIONS), nullable=False),
    _text("embedding_model"),
    Column(
        "search",
        TSVECTOR,
        Computed(
            "setweight(to_tsvector('english', heading), 'A')"
            " || setweight(to_tsvector('english', passage), 'B')",
            persisted=True,
        ),
        nullable=False,
    ),
    _created_at(),
    UniqueConstraint("document_id", "position"),
    _check("position", "position >= 0"),
    Index("document_chunks_project", "project_id", "document_id"),
    Index("document_chunks_search", "search", postgresql_using="gin"),
    Index(
        "document_chunks_embedding",
        "embedding",
        postgresql_using="hnsw",
        postgresql_ops={"embedding": "vector_cosine_ops"},
    ),
)

evidence = Table(
    "evidence",
    metadata,
    Column("id", Uuid, primary_key=True),
    _project(),
    _id("task_id"),
    _count("number", SmallInteger, default=None),
    _text("kind"),
    _reference("document_id", "documents.id", ondelete="SET NULL", nullable=True),
    _id("chunk_id", nullable=True),
    _text("title"),
    _text("source_uri"),
    _text("passage"),
    Column("credibility", Numeric(3, 2), nullable=False),
    _text("credibility_reason"),
    _created_at(),
    UniqueConstraint("task_id", "number"),
    _one_of("kind", ("document", "web")),
    _check("number", "number > 0"),
    _check("credibility", "credibility BETWEEN 0 AND 1"),
    Index("evidence_project_task", "project_id", "task_id"),
    Index("evidence_document", "document_id"),
)

evidence_chains = Table(
    "evidence_chains",
    metadata,
    Column("id", Uuid, primary_key=True),
    _project(),
    _id("task_id"),
    _reference("evidence_id", "evidence.id", ondelete="CASCADE"),
    _reference("parent_evidence_id", "evidence.id", ondelete="CASCADE", nullable=True),
    _text("relation"),
    Column("statement_number", SmallInteger),
    _text("statement", nullable=True),
    Column("strength", REAL, nullable=False),
    _created_at(),
    UniqueConstraint(
        "evidence_id",
        "statement_number",
        "parent_evidence_id",
        name="evidence_chains_link_key",
        postgresql_nulls_not_distinct=True,
    ),
    _one_of("relation", ("supports", "contradicts", "derived_from")),
    _check("statement_number", "statement_number > 0"),
    _check("strength", "strength BETWEEN 0 AND 1"),
    Index("evidence_chains_project_task", "project_id", "task_id"),
    Index("evidence_chains_parent", "parent_evidence_id"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    _project(),
    _text("route"),
    _text("key"),
    _text("request_hash"),
    _json("response"),
    _created_at(),
    PrimaryKeyConstraint("project_id", "route", "key"),
    Index("idempotency_keys_created", "created_at"),
)
