"""The registry over HTTP, and what every installation begins with."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from steersman.agents import store
from steersman.agents.builtin.seeds import builtin_agents, core_agents
from steersman.ids import DEFAULT_PROJECT_ID, new_id
from steersman.seed import seed
from tests.fixtures.functions import Functions

CORE = {
    "Orchestrator", "Architect", "Planner", "Codegen", "Reviewer", "Tester", "Security", "Deployer", "Debugger",
    "Documentation",
}  # fmt: skip


def listed(functions: Functions, **query: Any) -> list[dict[str, Any]]:
    """Return the agents on all pages of a list of three a page."""
    agents: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = functions.http("GET", "/v1/agents", limit=3, **cursor, **query).json
        agents += page["agents"]
        if page["next_cursor"] is None:
            return agents
        cursor = {"cursor": page["next_cursor"]}


def test_the_seeded_agents_are_listed(functions: Functions) -> None:
    """Pages hold each agent once: the built-in ones active, the ten core agents inactive, each with capabilities."""
    agents = listed(functions)
    assert len({agent["id"] for agent in agents}) == len(agents) == len(builtin_agents()) + len(core_agents())
    by_status = {
        status: {a["name"] for a in agents if a["status"] == status} for status in ("active", "inactive")
    }
    assert by_status["inactive"] == CORE
    assert len(by_status["active"]) == len(builtin_agents())
    assert all(agent["capabilities"] for agent in agents)


def test_filters_select_agents(functions: Functions) -> None:
    """Capability and status select what they say, alone and together."""
    found = listed(functions, capability="answer.compose")
    assert found
    assert all("answer.compose" in {one["name"] for one in agent["capabilities"]} for agent in found)
    assert {agent["name"] for agent in listed(functions, status="inactive")} == CORE
    assert listed(functions, capability="answer.compose", status="inactive") == []
    assert listed(functions, capability="nobody.can") == []


def test_an_agent_is_read_with_what_was_measured(functions: Functions) -> None:
    """After work an agent shows its calls, success, time and cost; before, null."""
    agent = next(one for one in listed(functions) if one["status"] == "active")
    assert agent["performance"]["calls"] is None
    functions.http("POST", "/v1/tasks", {"template": "quick_answer", "input": {"question": "why?"}})
    functions.work()
    worked = [one for one in listed(functions, status="active") if one["performance"]["calls"]]
    assert worked
    found = functions.http("GET", f"/v1/agents/{worked[0]['id']}").json
    assert found == worked[0]
    assert found["performance"]["success_rate"] == 1
    assert found["performance"]["duration_ms_mean"] >= 0
    assert Decimal(found["performance"]["cost_usd"]) == 0


def test_agents_of_another_project_are_not_seen(functions: Functions) -> None:
    """A project sees its own agents and the shared ones, in lists and by id."""
    database, other = functions.parts.database, uuid4()
    database.run("INSERT INTO projects (id, slug, name) VALUES (%(id)s, 'other', 'Other')", {"id": other})
    private = new_id()
    capability = {"name": "x.y", "version": "1.0.0", "input_schema": {}, "output_schema": {}}
    row = {"name": "private", "version": "1.0.0", "description": "", "protocol": "http", "endpoint": "http://x.example",
           "status": "active", "capabilities": [capability]}  # fmt: skip
    store.put(database, other, private, row, shared=False)
    assert "private" not in {agent["name"] for agent in listed(functions)}
    assert functions.http("GET", f"/v1/agents/{private}").status == 404
    assert functions.http("GET", f"/v1/agents/{private}", project="other").json["name"] == "private"
    assert len(listed(functions, project="other")) == len(listed(functions)) + 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"status": "asleep"}, "status"),
        ({"capability": "x" * 101}, "capability"),
        ({"capability": "\0"}, "capability"),
    ],
)
def test_a_wrong_filter_is_refused(functions: Functions, query: dict[str, str], field: str) -> None:
    """A filter's value out of its range is 422 by name."""
    answer = functions.http("GET", "/v1/agents", **query)
    assert (answer.status, [fault["field"] for fault in answer.json["errors"]]) == (422, [field])


def test_seeding_again_adds_nothing_and_undoes_nothing(functions: Functions) -> None:
    """A second seed finds all there; what people changed of an agent since stays."""
    database = functions.parts.database
    database.run("UPDATE agents SET status = 'active', endpoint = 'http://x.example' WHERE name = 'Planner'")
    told: list[str] = []
    assert seed(database, progress=told.append) == {"agents": 0, "templates": 0}
    assert told == []
    (planner,) = [agent for agent in listed(functions) if agent["name"] == "Planner"]
    assert (planner["status"], planner["endpoint"]) == ("active", "http://x.example")
    assert database.run(
        "SELECT count(*) AS n FROM agent_health WHERE project_id = %(id)s", {"id": DEFAULT_PROJECT_ID}
    )[0]["n"] == len(builtin_agents()) + len(core_agents())
