"""The agents that the registry holds from the start: the built-in ones, and ten that await an endpoint."""

from dataclasses import dataclass
from typing import Any

from steersman.agents.builtin import answer, intent, moderation, response, retrieval, websearch
from steersman.agents.builtin.registry import PREFIX
from steersman.agents.builtin.seeds_core import CORE

DIALECT = "https://json-schema.org/draft/2020-12/schema"
VERSION = "1.0.0"


@dataclass(frozen=True, kw_only=True)
class CapabilitySeed:
    """A capability with the JSON Schemas (2020-12) of its input and output."""

    name: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]
    version: str = VERSION


@dataclass(frozen=True, kw_only=True)
class AgentSeed:
    """A row of the registry. An agent without an endpoint stays inactive until it is given one."""

    name: str
    description: str
    protocol: str
    endpoint: str | None
    status: str
    capabilities: tuple[CapabilitySeed, ...]
    tags: tuple[str, ...] = ()
    version: str = VERSION
    max_concurrency: int = 10

    def as_row(self) -> dict[str, Any]:
        """Return the form that the registry's store takes."""
        return {
            **vars(self),
            "tags": list(self.tags),
            "capabilities": [dict(vars(one)) for one in self.capabilities],
        }


_QUESTION = {
    "type": "object",
    "required": ["question"],
    "properties": {"question": {"type": "string", "minLength": 1, "maxLength": 20_000}},
}


def _builtin(name: str, capability: str, description: str, output: dict[str, Any]) -> AgentSeed:
    return AgentSeed(
        name=name,
        description=description,
        protocol="builtin",
        endpoint=f"{PREFIX}{name}",
        status="active",
        capabilities=(_capability(capability, _QUESTION, output),),
        tags=("builtin",),
        max_concurrency=1_000,
    )


def _capability(name: str, given: dict[str, Any], made: dict[str, Any]) -> CapabilitySeed:
    return CapabilitySeed(
        name=name, input_schema={"$schema": DIALECT, **given}, output_schema={"$schema": DIALECT, **made}
    )


_ECHO = AgentSeed(
    name="echo",
    description="Gives back the task's input: for trying a template's way before its agents are there.",
    protocol="builtin",
    endpoint=f"{PREFIX}echo",
    status="active",
    capabilities=(_capability("echo", {"type": "object"}, {"type": "object"}),),
    tags=("builtin",),
    max_concurrency=1_000,
)


def builtin_agents() -> tuple[AgentSeed, ...]:
    """Return the agents that run inside Steersman's own functions."""
    return (
        _builtin(
            "intent",
            "intent.classify",
            "Says what kind of question is asked and what it is about.",
            intent.OUTPUT,
        ),
        _builtin(
            "retrieval",
            "knowledge.retrieve",
            "Finds the passages of the project's documents that bear on a question, by words and by meaning.",
            retrieval.OUTPUT,
        ),
        _builtin(
            "websearch",
            "web.search",
            "Finds passages on the web, or in more of the documents.",
            websearch.OUTPUT,
        ),
        _builtin(
            "answer",
            "answer.compose",
            "Answers in statements, each with the passages it rests on.",
            answer.OUTPUT,
        ),
        _builtin(
            "moderation",
            "answer.moderate",
            "Scores grounding, coverage and clarity of an answer, and declines a guess.",
            moderation.OUTPUT,
        ),
        _builtin(
            "response",
            "answer.deliver",
            "Assembles the final answer with numbered sources and keeps its evidence.",
            response.OUTPUT,
        ),
        _ECHO,
    )


def core_agents() -> tuple[AgentSeed, ...]:
    """Return the ten core agents of a software team; inactive until someone gives them an endpoint."""
    return tuple(
        AgentSeed(
            name=name,
            description=description,
            protocol="http",
            endpoint=None,
            status="inactive",
            capabilities=tuple(_capability(*one) for one in capabilities),
            tags=("core",),
        )
        for name, description, capabilities in CORE
    )


def seed_agents() -> tuple[AgentSeed, ...]:
    """Return every agent that the seed registers."""
    return builtin_agents() + core_agents()
