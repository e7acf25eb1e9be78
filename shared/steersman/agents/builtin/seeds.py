"""The agents that the registry holds from the start: the built-in ones, and ten that await an endpoint."""

from dataclasses import dataclass
from typing import Any

from steersman.agents.builtin import answer, intent, moderation, response, retrieval, websearch
from steersman.agents.builtin.registry import PREFIX

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
    )


def _text(*names: str) -> dict[str, Any]:
    """Return the schema of an object with required texts."""
    return {
        "type": "object",
        "required": list(names),
        "properties": {name: {"type": "string"} for name in names},
    }


def _with_list(schema: dict[str, Any], name: str, *fields: str) -> dict[str, Any]:
    """Return `schema` with one more required property: a list of objects with the given texts."""
    listed = {"type": "array", "items": _text(*fields)}
    return {
        **schema,
        "required": [*schema["required"], name],
        "properties": {**schema["properties"], name: listed},
    }


_NOTHING = _text()
# Name, what it does, and each capability with its input and output.
_CORE: tuple[tuple[str, str, tuple[tuple[str, dict[str, Any], dict[str, Any]], ...]], ...] = (
    (
        "Orchestrator",
        "Splits a goal into stages for other agents and follows them to the end.",
        (
            (
                "work.orchestrate",
                _text("goal"),
                _with_list(_text("summary"), "stages", "name", "capability", "outcome"),
            ),
        ),
    ),
    (
        "Architect",
        "Designs systems: components, interfaces, data, and the decisions behind them.",
        (
            (
                "design.architecture",
                _text("requirements"),
                _with_list(_text("design"), "decisions", "title", "reason"),
            ),
            (
                "design.review",
                _text("design"),
                _with_list(_text("verdict"), "findings", "severity", "finding"),
            ),
        ),
    ),
    (
        "Planner",
        "Turns a goal into an ordered plan with dependencies and estimates.",
        (("work.plan", _text("goal"), _with_list(_NOTHING, "steps", "title", "detail")),),
    ),
    (
        "Codegen",
        "Writes and changes code to a specification.",
        (
            (
                "code.generate",
                _text("specification", "language"),
                _with_list(_text("summary"), "files", "path", "content"),
            ),
            (
                "code.refactor",
                _text("code", "goal"),
                _with_list(_text("summary"), "files", "path", "content"),
            ),
        ),
    ),
    (
        "Reviewer",
        "Reviews changes for correctness, clarity and fit.",
        (
            (
                "code.review",
                _text("diff"),
                _with_list(_text("verdict"), "findings", "severity", "place", "finding"),
            ),
        ),
    ),
    (
        "Tester",
        "Writes tests and runs them.",
        (
            (
                "test.generate",
                _text("code", "language"),
                _with_list(_text("summary"), "files", "path", "content"),
            ),
            (
                "test.run",
                _text("repository", "revision"),
                _with_list(_text("verdict"), "failures", "test", "reason"),
            ),
        ),
    ),
    (
        "Security",
        "Finds vulnerabilities in code, dependencies and configuration.",
        (
            (
                "security.scan",
                _text("target"),
                _with_list(_text("verdict"), "findings", "severity", "place", "finding"),
            ),
        ),
    ),
    (
        "Deployer",
        "Releases a revision to an environment, and takes it back.",
        (
            ("deploy.release", _text("revision", "environment"), _text("status", "url")),
            ("deploy.rollback", _text("environment"), _text("status", "revision")),
        ),
    ),
    (
        "Debugger",
        "Finds the cause of a failure and proposes the smallest fix.",
        (
            (
                "debug.diagnose",
                _text("symptom"),
                _with_list(_text("cause", "fix"), "evidence", "source", "finding"),
            ),
        ),
    ),
    (
        "Documentation",
        "Writes and updates documentation from code and decisions.",
        (
            (
                "docs.write",
                _text("subject", "audience"),
                _with_list(_text("summary"), "files", "path", "content"),
            ),
        ),
    ),
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
        for name, description, capabilities in _CORE
    )


def seed_agents() -> tuple[AgentSeed, ...]:
    """Return every agent that the seed registers."""
    return builtin_agents() + core_agents()
