"""The ten core agents of a software team: what each does, and the forms of its input and output."""

from typing import Any

Schema = dict[str, Any]


def _text(*names: str) -> Schema:
    """Return the schema of an object with required texts."""
    return {
        "type": "object",
        "required": list(names),
        "properties": {name: {"type": "string"} for name in names},
    }


def _with_list(schema: Schema, name: str, *fields: str) -> Schema:
    """Return `schema` with one more required property: a list of objects with the given texts."""
    listed = {"type": "array", "items": _text(*fields)}
    return {
        **schema,
        "required": [*schema["required"], name],
        "properties": {**schema["properties"], name: listed},
    }


_NOTHING = _text()
# Name, what it does, and each capability with its input and output.
CORE: tuple[tuple[str, str, tuple[tuple[str, Schema, Schema], ...]], ...] = (
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
