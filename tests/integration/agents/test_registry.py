"""The registry as selection sees it: a snapshot of the active agents, and connections to them."""

from typing import Any

import pytest

from steersman.agents import store
from steersman.agents.registry import Registry
from steersman.agents.selection import Candidate
from steersman.db.connection import Database
from steersman.errors import NoAgent
from steersman.ids import DEFAULT_PROJECT_ID, new_id


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def put(database: Database, name: str, **changes: Any) -> bool:
    agent = {
        "name": name, "version": "1.0.0", "description": "first", "protocol": "http", "endpoint": "http://x.example",
        "status": "active", "tags": ["t"],
        "capabilities": [{"name": "x.do", "version": "1.0.0", "input_schema": {}, "output_schema": {}}],
    }  # fmt: skip
    return store.put(database, DEFAULT_PROJECT_ID, new_id(), {**agent, **changes}, shared=True)


def test_only_active_agents_are_candidates(app_database: Database, database: Database) -> None:
    """Active agents are candidates with all that selection needs; others are not."""
    put(database, "on")
    put(database, "off", status="inactive")
    (found,) = Registry(app_database, lambda _: None).candidates()  # type: ignore[arg-type, return-value]
    assert (found.name, found.capabilities, found.protocol, found.shared) == (
        "on",
        frozenset({"x.do"}),
        "http",
        True,
    )


def test_the_snapshot_is_kept_for_seconds(database: Database) -> None:
    """Within its time the snapshot costs no round trip and knows nothing new; after it, changes are seen."""
    clock = Clock()
    registry = Registry(database, lambda _: None, fresh_s=5, clock=clock)  # type: ignore[arg-type, return-value]
    put(database, "one")
    assert len(registry.candidates()) == 1
    put(database, "two")
    clock.now = 5
    assert len(registry.candidates()) == 1
    clock.now = 5.1
    assert len(registry.candidates()) == 2


def test_an_agent_is_connected_once_for_each_endpoint(database: Database) -> None:
    """A connection is kept; a changed endpoint is a new one."""
    made: list[str] = []
    registry = Registry(database, lambda candidate: made.append(candidate.endpoint), fresh_s=0)  # type: ignore[arg-type, return-value, func-returns-value]
    put(database, "one")
    for _ in range(2):
        registry.agent(registry.candidates()[0])
    database.run("UPDATE agents SET endpoint = 'http://y.example'")
    registry.agent(registry.candidates()[0])
    assert made == ["http://x.example", "http://y.example"]


@pytest.mark.parametrize("error", [ValueError("no URL"), KeyError("name"), ImportError("missing")])
def test_an_endpoint_that_cannot_be_used_is_no_agent(database: Database, error: Exception) -> None:
    """What cannot be connected is told with the agent's name and place, and tried again the next time."""

    def connect(candidate: Candidate) -> Any:
        raise error

    put(database, "one")
    registry = Registry(database, connect)
    for _ in range(2):
        with pytest.raises(NoAgent, match="'one' cannot be used"):
            registry.agent(registry.candidates()[0])


def test_putting_an_agent_again_brings_its_description_up_to_date(database: Database) -> None:
    """Description, tags and capabilities follow; status and endpoint are what people made of them."""
    assert put(database, "one")
    database.run("UPDATE agents SET status = 'maintenance', endpoint = 'http://mine.example'")
    more = [
        {"name": name, "version": "1.0.0", "input_schema": {"type": "object"}, "output_schema": {}}
        for name in ("x.do", "x.more")
    ]
    assert not put(database, "one", description="second", tags=["u"], capabilities=more)
    (agent,) = store.page(database, DEFAULT_PROJECT_ID)
    assert (agent["description"], agent["tags"]) == ("second", ["u"])
    assert (agent["status"], agent["endpoint"]) == ("maintenance", "http://mine.example")
    assert [one["name"] for one in agent["capabilities"]] == ["x.do", "x.more"]
    assert agent["capabilities"][0]["input_schema"] == {"type": "object"}
    assert store.known_capabilities(database, DEFAULT_PROJECT_ID) == {"x.do", "x.more"}
    assert len(database.run("SELECT id FROM agent_health")) == 1
