"""Health of the parts, and the API's own description."""

from typing import Any

from aws_lambda_powertools.event_handler import Response

from steersman.bootstrap import parts
from steersman.http.api import Api, new_router, problems
from steersman.http.health import HealthView, answer, described
from steersman.http.openapi import committed

router = new_router()


@router.get(
    "/v1/health", tags=["health"], summary="Health of everything", operation_id="getHealth",
    responses=described(),
)  # fmt: skip
def health() -> Response[HealthView]:
    """Say whether the parts that every request needs are well: 200, or 503 naming what is not."""
    return answer(parts().health.all())


@router.get(
    "/v1/health/database", tags=["health"], summary="Health of PostgreSQL", operation_id="getDatabaseHealth",
    responses=described(),
)  # fmt: skip
def database() -> Response[HealthView]:
    """Ask the database; its schema's revision is told too."""
    return answer(parts().health.database())


@router.get(
    "/v1/health/cache", tags=["health"], summary="Health of Redis", operation_id="getCacheHealth",
    responses=described(),
)  # fmt: skip
def cache() -> Response[HealthView]:
    """Ask the cache."""
    return answer(parts().health.cache())


@router.get(
    "/v1/health/queues", tags=["health"], summary="Depth of the stage queues", operation_id="getQueueHealth",
    responses=described(),
)  # fmt: skip
def queues() -> Response[HealthView]:
    """Say how many jobs wait, are in hand or are dead, for each stage queue."""
    return answer(parts().health.queues())


@router.get(
    "/v1/health/llm", tags=["health"], summary="Health of the models", operation_id="getModelHealth",
    responses=described(),
)  # fmt: skip
def llm() -> Response[HealthView]:
    """Ask the configured models."""
    return answer(parts().health.llm())


@router.get(
    "/v1/openapi.json", tags=["health"], summary="This API, as OpenAPI 3.1", operation_id="getOpenApi",
    responses=problems(None, 200, 429),
)  # fmt: skip
def openapi() -> dict[str, Any]:
    """Return the description that is generated from the handlers."""
    return committed()


handler = Api(router, parts)
