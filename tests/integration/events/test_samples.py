"""The recorded events of `events/`, each through its function."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.functions import Context, Functions

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT / "events"
TASK, DOCUMENT, AGENT, LETTER, ENDED, SCHEDULE, ASKING, SPREAD = (
    f"01900000-0000-7000-8000-{number:012d}" for number in (1, 2, 3, 4, 5, 6, 7, 8)
)
NOBODY = {"name": "try", "queue": "agent", "capability": "no.agent", "retry": {"max_attempts": 1}}
TEMPLATES: dict[str, list[dict[str, Any]]] = {
    ASKING: [{"name": "approve", "kind": "approval", "approval": {"ask": "How many sources are enough?"}}],
    SPREAD: [{"name": "each", "queue": "agent", "capability": "echo", "for_each": {"items": "input.list"}}],
}
STATUSES = {
    "agents/get": 200,
    "agents/list": 200,
    "audit/list": 200,
    "dead_letters/discard": 200,
    "dead_letters/get": 200,
    "dead_letters/list": 200,
    "dead_letters/redrive": 200,
    "dead_letters/redrive_many": 200,
    "approvals/answer": 200,
    "approvals/list": 200,
    "documents/create": 201,
    "documents/delete": 204,
    "documents/get": 200,
    "documents/list": 200,
    "events/poll": 200,
    "health/all": 200,
    "health/cache": 200,
    "health/database": 200,
    "health/llm": 200,
    "health/openapi": 200,
    "health/queues": 200,
    "schedules/change": 200,
    "schedules/create": 201,
    "schedules/delete": 204,
    "schedules/get": 200,
    "schedules/list": 200,
    "schedules/run": 202,
    "projects/limits": 200,
    "projects/list": 200,
    "projects/set-limits": 200,
    "tasks/batch": 202,
    "tasks/cancel": 200,
    "tasks/clone": 202,
    "tasks/create": 202,
    "tasks/get": 200,
    "tasks/list": 200,
    "tasks/rerun": 200,
    "pauses/add": 200,
    "pauses/end": 204,
    "pauses/list": 200,
    "pauses/pause_task": 200,
    "pauses/resume_task": 200,
    "tasks/change": 200,
    "tasks/started": 200,
    "tasks/wait": 200,
    "templates/diff": 200,
    "templates/list": 200,
    "templates/publish": 201,
    "templates/publish_state_machine": 201,
    "templates/version": 200,
}
ANSWERS = {
    "ops/migrate": {"agents": 0, "templates": 1},  # that which gets a state machine
    "ops/partitions": {"forgotten_keys": 0, "forgotten_tokens": 0},
    "ops/sweep": {"asleep": False, "sent": 0, "expired": 0, "fired": 0, "freed": 0},
}
STAGES = ("intent", "embedding", "websearch", "executor", "moderator", "respond")


def function_of(sample: str) -> str:
    folder, name = sample.split("/")
    return f"{folder}.{name}" if folder in {"stages", "ops"} else f"api.{folder}"


def call(sample: str, **ids: str) -> Any:
    text = (SAMPLES / f"{sample}.json").read_text()
    for placeholder, real in ids.items():
        text = text.replace(placeholder, real)
    handler = import_module(f"functions.{function_of(sample)}").handler
    return handler(json.loads(text), Context())


@pytest.fixture
def ids(functions: Functions) -> dict[str, str]:
    """What the placeholders of the samples stand for, made with the samples themselves."""
    waiting = {placeholder: of_template(functions, stages) for placeholder, stages in TEMPLATES.items()}
    functions.work()
    functions.http("POST", "/v1/pauses", {"scope": "queue", "name": "websearch"})
    samples = ("documents/create", "tasks/create", "schedules/create", "agents/list")
    document, task, schedule, agents = (json.loads(call(sample)["body"]) for sample in samples)
    return {
        **waiting,
        DOCUMENT: document["id"],
        TASK: task["id"],
        SCHEDULE: schedule["id"],
        AGENT: agents["agents"][0]["id"],
    }


def failed(functions: Functions) -> dict[str, str]:
    """Return a task that failed, and its dead letter, for the samples that ask for such."""
    functions.http("POST", "/v1/templates", {"template": {"name": "nobody_can", "stages": [NOBODY]}})
    task = functions.http("POST", "/v1/tasks", {"template": "nobody_can", "input": {}}).json["id"]
    functions.work()
    (letter,) = functions.http("GET", "/v1/dead-letters", template="nobody_can").json["dead_letters"]
    return {ENDED: task, LETTER: letter["id"]}


def of_template(functions: Functions, stages: list[dict[str, Any]]) -> str:
    """Publish a template of these stages, submit a task of it, and return its id."""
    name = stages[0]["name"]
    functions.http("POST", "/v1/templates", {"template": {"name": name, "stages": stages}})
    found = functions.http("POST", "/v1/tasks", {"template": name, "input": {"list": [1, 2]}}).json
    return str(found["id"])


def test_every_function_has_a_sample() -> None:
    """No function is without a sample, and no sample is without a function."""
    samples = {path.relative_to(SAMPLES).with_suffix("").as_posix() for path in SAMPLES.rglob("*.json")}
    modules = [path for path in (ROOT / "functions").glob("*/*.py") if path.stem != "__init__"]
    functions = {f"{path.parent.name}.{path.stem}" for path in modules}
    assert {function_of(sample) for sample in samples} == functions
    assert samples == {*STATUSES, *ANSWERS, *(f"stages/{stage}" for stage in (*STAGES, "agent"))}


@pytest.mark.parametrize("sample", STATUSES)
def test_http_samples_are_answered(functions: Functions, ids: dict[str, str], sample: str) -> None:
    """Each recorded request gets its status, a text body, and the correlation id that the conventions ask for."""
    text = (SAMPLES / f"{sample}.json").read_text()
    if LETTER in text or ENDED in text:
        ids |= failed(functions)
    answer = call(sample, **ids)
    assert answer["statusCode"] == STATUSES[sample], answer
    assert isinstance(answer["body"], str)
    assert answer["headers"]["x-correlation-id"]


@pytest.mark.parametrize("sample", ANSWERS)
def test_operations_do_their_work(functions: Functions, sample: str) -> None:
    """Each recorded schedule and custom resource lets its function work, on a database that needs nothing."""
    assert call(sample).items() >= ANSWERS[sample].items()


def test_stage_samples_carry_a_task_to_its_end(functions: Functions) -> None:
    """The recorded batches, one after the other, do every stage of a task."""
    call("documents/create")
    body = {
        "template": "complex_research",
        "input": {"question": "How tall was the lighthouse of Pharos?"},
    }
    task = functions.http("POST", "/v1/tasks", body).json["id"]
    for stage in STAGES:
        assert call(f"stages/{stage}", **{TASK: task}) == {"batchItemFailures": []}
    done = functions.http("GET", f"/v1/tasks/{task}").json
    assert done["status"] == "completed", done
    assert "100 metres" in done["output"]["answer"]


def test_a_sample_of_no_task_is_dropped(functions: Functions) -> None:
    """A recorded job whose task does not exist is over, and is not delivered again."""
    assert call("stages/agent") == {"batchItemFailures": []}
