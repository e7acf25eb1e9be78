"""The research DAG as a template of the product, and tasks for it with 200 bytes of JSON as input."""

import json
from collections.abc import Mapping
from typing import Any

TEMPLATE_NAME = "bench_research"
SIZE_BYTES = 200
BATCH = 1000  # what POST /v1/tasks/batch takes at most
LABEL = "bench"

_STAGES = {
    "intent": ("intent", ()),
    "embedding": ("embedding", ("intent",)),
    "websearch": ("websearch", ("intent",)),
    "executor": ("executor", ("embedding", "websearch")),
    "moderator": ("moderator", ("executor",)),
    "response": ("responses", ("moderator",)),
}
TEMPLATE: Mapping[str, Any] = {
    "name": TEMPLATE_NAME,
    "description": "The research DAG with stages that give back the task's input.",
    "deadline_s": 3600,
    "output": "response",
    "stages": [
        {"name": name, "queue": queue, "capability": "echo", "needs": list(needs)}
        for name, (queue, needs) in _STAGES.items()
    ],
}
STAGES = len(_STAGES)


def task_input(number: int) -> dict[str, Any]:
    """Return the input of a task: 200 bytes of JSON."""
    bare = {"task": number, "text": ""}
    return {**bare, "text": "x" * (SIZE_BYTES - len(json.dumps(bare)))}


def submission(number: int, *, priority: str, label: str) -> dict[str, Any]:
    """Return one task as the API takes it; tasks are found again by their label."""
    return {
        "template": TEMPLATE_NAME,
        "input": task_input(number),
        "priority": priority,
        "labels": {LABEL: label},
    }
