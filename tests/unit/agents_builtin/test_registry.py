"""The built-in agents can be built by name, and the seed describes them as they are."""

import subprocess
import sys
from typing import Any

import jsonschema_rs
import pytest

from steersman.agents.builtin.registry import Parts, build, parts_from
from steersman.agents.builtin.seeds import builtin_agents, core_agents, seed_agents
from steersman.agents.job import StageResult
from steersman.db.connection import Database
from steersman.knowledge.web_search import LocalSearch, SearxngSearch
from steersman.llm.fakes import FakeEmbedder
from steersman.settings import read_settings
from tests.unit.agents_builtin.jobs import job, passage, retrieved

REQUIRED = {
    "STEERSMAN_DATABASE_URL": "postgresql://x", "STEERSMAN_REDIS_URL": "redis://x", "STEERSMAN_QUEUE_PREFIX": "q",
}  # fmt: skip
CORE = {
    "Orchestrator", "Architect", "Planner", "Codegen", "Reviewer", "Tester", "Security", "Deployer", "Debugger",
    "Documentation",
}  # fmt: skip


def parts() -> Parts:
    settings = read_settings(REQUIRED)
    return parts_from(settings, lambda: Database(settings.database_url))


def test_every_seeded_builtin_agent_can_be_built() -> None:
    """The endpoint of each built-in agent in the seed names an agent that can be built and run."""
    for agent in builtin_agents():
        assert agent.endpoint is not None
        assert hasattr(build(agent.endpoint, parts()), "run")


def test_an_unknown_name_is_refused() -> None:
    """A name that is no built-in agent is a ValueError that lists those there are."""
    with pytest.raises(ValueError, match="intent, retrieval, websearch, answer, moderation, response, echo"):
        build("builtin:nobody", parts())


def test_the_search_port_is_chosen_by_the_settings() -> None:
    """Web search goes to the documents by default, and to SearXNG where the settings say so."""
    settings = read_settings(
        {**REQUIRED, "STEERSMAN_SEARCH_PROVIDER": "searxng", "STEERSMAN_SEARCH_URL": "http://s.test"}
    )
    assert isinstance(parts().search(), LocalSearch)
    assert isinstance(parts_from(settings, lambda: Database("")).search(), SearxngSearch)


def test_the_core_agents_wait_for_an_endpoint() -> None:
    """The ten core agents are registered without an endpoint, and therefore inactive."""
    assert {agent.name for agent in core_agents()} == CORE
    for agent in core_agents():
        assert (agent.protocol, agent.endpoint, agent.status) == ("http", None, "inactive")
        assert agent.capabilities


def test_schemas_are_json_schema_2020_12() -> None:
    """Every capability in the seed has input and output schemas that are valid JSON Schema 2020-12."""
    for agent in seed_agents():
        for capability in agent.as_row()["capabilities"]:
            for schema in (capability["input_schema"], capability["output_schema"]):
                assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
                jsonschema_rs.Draft202012Validator(schema)
                jsonschema_rs.meta.validate(schema)


def test_outputs_match_their_schemas() -> None:
    """What the pure built-in agents answer matches the schema that the seed registers for them."""
    schemas = {agent.name: agent.capabilities[0].output_schema for agent in builtin_agents()}
    results: dict[str, Any] = {"embedding": retrieved(passage(1))}
    made = Parts(
        database=lambda: Database(""), embedder=FakeEmbedder, chat=lambda: None, search=parts().search
    )
    jsonschema_rs.validate(schemas["retrieval"], results["embedding"])
    for stage, name in (("intent", "intent"), ("executor", "answer"), ("moderator", "moderation")):
        (result,) = build(name, made).run([job(results=results)])
        assert isinstance(result, StageResult)
        jsonschema_rs.validate(schemas[name], result.output)
        results[stage] = result.output


IMPORTS = """
import sys
import steersman.agents.builtin.{module}
print(",".join(sorted({{name.partition(".")[0] for name in sys.modules}})))
"""


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        (
            "intent",
            {"psycopg", "numpy", "httpx", "boto3", "tokenizers", "selectolax", "markdown_it", "pypdf"},
        ),
        (
            "moderation",
            {"psycopg", "numpy", "httpx", "boto3", "tokenizers", "selectolax", "markdown_it", "pypdf"},
        ),
        ("answer", {"numpy", "httpx", "boto3", "tokenizers", "selectolax", "markdown_it", "pypdf"}),
        ("retrieval", {"numpy", "httpx", "boto3", "tokenizers", "selectolax", "markdown_it", "pypdf"}),
        ("registry", {"numpy", "httpx", "boto3", "tokenizers", "markdown_it", "pypdf"}),
    ],
)
def test_an_agent_imports_only_what_it_uses(module: str, unwanted: set[str]) -> None:
    """A function that serves one agent does not pay at cold start for what the others need."""
    code = IMPORTS.format(module=module)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not unwanted & set(ran.stdout.strip().split(","))
