"""Cold start is a budget: what a handler's import may load. Times are `make bench-cold`'s, which no test depends on."""

import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import cache

import pytest

from infra.function_table import FUNCTIONS, FunctionSpec

# What would cost 100 to 600 ms of CPU, and is needed later or elsewhere.
HEAVY = (
    "boto3",
    "botocore.session",
    "sqlalchemy",
    "alembic",
    "numpy",
    "tokenizers",
    "pypdf",
    "selectolax",
    "httpx",
    "markdown_it",
    "wordllama",
    "safetensors",
)
HTTP = "aws_lambda_powertools.event_handler"
# A stage function builds its agents when a job asks for one; nothing of HTTP is its business.
NOT_OF_STAGES = (HTTP, "limits", "steersman.agents.builtin", "steersman.knowledge", "steersman.llm")
# An API function reads and submits: the engine, agents and models are for those who run stages.
NOT_OF_APIS = (
    "steersman.agents.builtin",
    "steersman.agents.registry",
    "steersman.knowledge.parsing",
    "steersman.llm",
    "steersman.tasks.engine",
)
NO_SCHEMAS = ("jsonschema_rs",)
FORBIDDEN: Mapping[str, tuple[str, ...]] = {
    "api-agents": NO_SCHEMAS,
    "api-audit": NO_SCHEMAS,
    "api-documents": NO_SCHEMAS,
    "api-health": NO_SCHEMAS,
    "api-projects": NO_SCHEMAS,
    "ops-sweep": NOT_OF_STAGES,
    "ops-partitions": (*NOT_OF_STAGES, *NO_SCHEMAS, "redis", "steersman.tasks.engine"),
    "ops-migrate": ("boto3", "numpy", "tokenizers", "wordllama", "httpx", "redis", "limits"),
}
ALLOWED = {"ops-migrate": ("sqlalchemy", "alembic", "selectolax")}

# The most modules from outside the standard library that a function's import may load.
BUDGETS: Mapping[str, int] = {
    "api-tasks": 430,
    "api-events": 440,
    "api-approvals": 430,
    "api-pauses": 430,
    "api-templates": 435,
    "api-schedules": 440,
    "api-agents": 425,
    "api-projects": 425,
    "api-documents": 425,
    "api-dead_letters": 430,
    "api-audit": 425,
    "api-health": 420,
    "stage-intent": 330,
    "stage-embedding": 330,
    "stage-websearch": 330,
    "stage-executor": 330,
    "stage-moderator": 330,
    "stage-respond": 330,
    "stage-agent": 330,
    "ops-sweep": 330,
    "ops-partitions": 210,
    "ops-migrate": 570,
}

each_function = pytest.mark.parametrize("spec", FUNCTIONS, ids=lambda spec: spec.name)


@cache
def imported_by(spec: FunctionSpec) -> frozenset[str]:
    module = spec.handler.removesuffix(".handler")
    found = subprocess.run(
        [sys.executable, "-c", f"import sys, {module}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return frozenset(found.stdout.split())


def from_outside(modules: Iterable[str]) -> list[str]:
    """Return the modules of packages that are not of the standard library, nor the interpreter's own."""
    packages = ((name, name.split(".")[0]) for name in modules)
    return [name for name, top in packages if top not in sys.stdlib_module_names and not top.startswith("_")]


@each_function
def test_a_handler_imports_only_what_it_uses(spec: FunctionSpec) -> None:
    """Importing a handler loads no library that is needed only later, or only elsewhere."""
    loaded = imported_by(spec)
    heavy = [name for name in HEAVY if name in loaded and name not in ALLOWED.get(spec.name, ())]
    assert not heavy


@each_function
def test_a_function_does_not_load_what_others_are_for(spec: FunctionSpec) -> None:
    """Each kind of function leaves alone what only another kind uses."""
    group = NOT_OF_STAGES if spec.serves else NOT_OF_APIS if spec.name.startswith("api-") else ()
    forbidden = (*group, *FORBIDDEN.get(spec.name, ()))
    assert [name for name in forbidden if name in imported_by(spec)] == []


@each_function
def test_an_import_stays_within_its_budget(spec: FunctionSpec) -> None:
    """A function's import loads no more modules than its budget; every function has one."""
    assert spec.name in BUDGETS, f"give {spec.name} a budget: a start loads {len(imported_by(spec))} modules"
    assert len(from_outside(imported_by(spec))) <= BUDGETS[spec.name]


@each_function
def test_a_budget_is_not_loose(spec: FunctionSpec) -> None:
    """A budget follows the imports down: one with much room left would let them grow again unseen."""
    assert len(from_outside(imported_by(spec))) >= 0.85 * BUDGETS[spec.name]
