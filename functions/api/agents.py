"""The agent registry over HTTP."""

from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from steersman.agents import service
from steersman.agents.views import AgentPage, AgentStatus, AgentView
from steersman.bootstrap import parts
from steersman.http.api import Api, new_router, problems
from steersman.http.cursors import Cursor, Limit
from steersman.http.fields import ProjectSlug

router = new_router()


@router.get(
    "/v1/agents", tags=["agents"], summary="List agents", operation_id="listAgents",
    responses=problems(AgentPage, 200, 422, 429, 503),
)  # fmt: skip
def list_agents(
    project: Annotated[ProjectSlug, Query()] = "default",
    capability: Annotated[str | None, Query(max_length=100)] = None,
    status: Annotated[AgentStatus | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> AgentPage:
    """Return the agents that a project may use, with capabilities and what was measured of them."""
    page = service.page(
        parts().database,
        parts().projects.id(project),
        capability=capability,
        status=status,
        cursor=cursor,
        limit=limit,
    )
    return AgentPage.model_validate(page)


@router.get(
    "/v1/agents/<agent_id>", tags=["agents"], summary="Read an agent", operation_id="getAgent",
    responses=problems(AgentView, 200, 404, 422, 429, 503),
)  # fmt: skip
def get_agent(agent_id: UUID, project: Annotated[ProjectSlug, Query()] = "default") -> AgentView:
    """Return one agent with its capabilities and what was measured of it."""
    return AgentView.model_validate(service.get(parts().database, parts().projects.id(project), agent_id))


handler = Api(router, parts)
