"""CloudEvents 1.0: the form in which everything that happened is told to others."""

from typing import Any

from steersman.json import rfc3339
from steersman.tasks.log_store import Fact


def of_fact(fact: Fact) -> dict[str, Any]:
    """Return a task's log line as a CloudEvent (https://github.com/cloudevents/spec, version 1.0.2).

    `id` is the deduplication key: the same fact always has the same id.
    """
    return {
        "specversion": "1.0",
        "id": f"{fact.task_id}-{fact.id}",
        "source": f"/v1/tasks/{fact.task_id}",
        "type": f"steersman.{fact.event}.v1",
        "subject": fact.stage or "",
        "time": rfc3339(fact.created_at),
        "datacontenttype": "application/json",
        "data": {"task_id": str(fact.task_id), "stage": fact.stage, "attempt": fact.attempt, **fact.detail},
    }
