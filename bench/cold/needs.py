"""What each function cannot do without: the libraries that its ratio is measured against, each with its reason."""

from collections.abc import Mapping
from dataclasses import dataclass

from infra.function_table import FunctionSpec

# 'module:attribute' where a package loads lazily: naming pydantic alone would load almost nothing of it.
CORE: Mapping[str, str] = {
    "psycopg": "every function speaks to PostgreSQL",
    "psycopg.rows": "rows as dictionaries",
    "psycopg.types.json": "JSON columns",
    "pydantic:BaseModel": "settings are validated before the first call (ADR 3)",
    "aws_lambda_powertools:Logger": "JSON logs",
    "orjson": "JSON in and out",
}
LIVE: Mapping[str, str] = {
    "redis": "progress, live views, the flag of open work",
    "uuid_utils": "UUIDv7",
}
STAGE: Mapping[str, str] = {
    "aws_lambda_powertools.metrics:EphemeralMetrics": "a stage function's metrics",
    "jsonschema_rs": "a result is checked against its capability's schema",
}
HTTP: Mapping[str, str] = {
    "redis": "rate limits",
    "uuid_utils": "UUIDv7",
    "limits.storage:RedisStorage": "rate limits",
    "limits.strategies:SlidingWindowCounterRateLimiter": "rate limits",
    "aws_lambda_powertools.event_handler:APIGatewayHttpResolver": "routes",
    "aws_lambda_powertools.event_handler.openapi.params:Query": "parameters of routes",
    "aws_lambda_powertools.event_handler.middlewares.openapi_validation:OpenAPIRequestValidationMiddleware": (
        "the resolver loads it when validation is on"
    ),
}
SCHEMAS: Mapping[str, str] = {"jsonschema_rs": "inputs and templates are checked against JSON Schemas"}
CLOCK: Mapping[str, str] = {"cronsim": "the times of cron expressions", "zoneinfo": "time zones"}
MIGRATION: Mapping[str, str] = {
    "alembic.command": "migrations",
    "sqlalchemy.dialects.postgresql.psycopg": "migrations run on it",
}


@dataclass(frozen=True)
class Need:
    """The libraries of a function (name to reason), what of them is built first, and the parts that it builds."""

    libraries: Mapping[str, str]
    built: tuple[str, ...]
    parts: tuple[str, ...]


_API = ("limiter", "logger")
_REQUEST = ("limits",)
NEEDS: Mapping[str, Need] = {
    "api-tasks": Need(
        {**CORE, **HTTP, **SCHEMAS}, (*_REQUEST, "sqs", "redis"), (*_API, "projects", "submissions", "tasks")
    ),
    "api-events": Need({**CORE, **HTTP}, (*_REQUEST, "redis"), (*_API, "tasks")),
    "api-approvals": Need(
        {**CORE, **HTTP, **SCHEMAS}, (*_REQUEST, "sqs", "redis"), (*_API, "projects", "approvals", "tasks")
    ),
    "api-pauses": Need(
        {**CORE, **HTTP, **SCHEMAS}, (*_REQUEST, "sqs", "redis"), (*_API, "projects", "steering", "tasks")
    ),
    "api-templates": Need({**CORE, **HTTP, **SCHEMAS}, _REQUEST, (*_API, "projects", "database")),
    "api-schedules": Need(
        {**CORE, **HTTP, **SCHEMAS, **CLOCK}, (*_REQUEST, "sqs", "redis"), (*_API, "projects", "schedules")
    ),
    "api-dead_letters": Need(
        {**CORE, **HTTP, **SCHEMAS},
        (*_REQUEST, "sqs", "redis"),
        (*_API, "projects", "dead_letters", "redrives"),
    ),
    "api-audit": Need({**CORE, **HTTP}, _REQUEST, (*_API, "projects", "database")),
    "api-agents": Need({**CORE, **HTTP}, _REQUEST, (*_API, "projects", "database")),
    "api-projects": Need({**CORE, **HTTP}, _REQUEST, (*_API, "projects", "database")),
    "api-documents": Need({**CORE, **HTTP}, _REQUEST, (*_API, "projects", "library")),
    "api-health": Need({**CORE, **HTTP}, _REQUEST, (*_API, "health")),
    "ops-migrate": Need({**CORE, **MIGRATION}, (), ("logger",)),
    "ops-sweep": Need(
        {**CORE, **LIVE}, ("redis", "sqs"), ("logger", "database", "queues", "live", "open_work")
    ),
    "ops-partitions": Need(CORE, (), ("logger", "database")),
}
STAGES = Need({**CORE, **LIVE, **STAGE}, ("redis", "sqs"), ("logger", "engine"))


def need_of(spec: FunctionSpec) -> Need:
    """Return what a function needs. Raises KeyError, naming it, for one that nobody has thought about."""
    if spec.serves:
        return STAGES
    if spec.name not in NEEDS:
        raise KeyError(
            f"say in bench/cold/needs.py which libraries the function {spec.name} cannot do without"
        )
    return NEEDS[spec.name]
