"""Cold start is a budget: what a handler's import may not drag in (each would cost 100 to 600 ms of CPU)."""

import subprocess
import sys

import pytest

HEAVY = (
    "boto3",
    "sqlalchemy",
    "alembic",
    "numpy",
    "tokenizers",
    "pypdf",
    "selectolax",
    "httpx",
    "markdown_it",
    "wordllama",
)
HTTP = "aws_lambda_powertools.event_handler"
ALLOWED = {"functions.ops.migrate": ("sqlalchemy", "alembic", "selectolax")}

STAGES = [
    f"functions.stages.{n}"
    for n in ("intent", "embedding", "websearch", "executor", "moderator", "respond", "agent")
]
APIS = [f"functions.api.{n}" for n in ("tasks", "events", "templates", "agents", "documents", "health")]
OPS = [f"functions.ops.{n}" for n in ("sweep", "partitions", "migrate")]


def imported_by(module: str) -> set[str]:
    found = subprocess.run(
        [sys.executable, "-c", f"import sys, {module}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(found.stdout.split())


@pytest.mark.parametrize("module", [*STAGES, *APIS, *OPS])
def test_a_handler_imports_only_what_it_uses(module: str) -> None:
    """Importing a handler loads no library that is needed only later, or only elsewhere."""
    found = imported_by(module)
    heavy = [name for name in HEAVY if name in found and name not in ALLOWED.get(module, ())]
    assert not heavy


@pytest.mark.parametrize("module", STAGES)
def test_a_stage_function_does_not_load_the_http_framework(module: str) -> None:
    """Stage functions serve queues: the routing framework is not theirs to load."""
    assert HTTP not in imported_by(module)
