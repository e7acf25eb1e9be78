"""What a stored schedule stands for: its times, and the task that it makes."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from steersman.errors import Fault, InvalidInput
from steersman.tasks.schedule_times import When, WhenKind, parse
from steersman.tasks.views import TaskSubmission

_OF_A_TASK = ("project", "template_version", "input", "priority", "labels", "constraints")


def times_of(row: Mapping[str, Any]) -> When:
    """Return the times of a schedule; raise InvalidInput when they cannot be told any more."""
    return parse(WhenKind(row["when_kind"]), row["expression"], row["timezone"], now=row["now"])


def task_of(row: Mapping[str, Any]) -> TaskSubmission:
    """Return the task that a schedule makes; raise InvalidInput when tasks are no longer of that form."""
    try:
        return TaskSubmission.model_validate(
            {"template": row["template_name"], **{name: row[name] for name in _OF_A_TASK}}
        )
    except ValidationError as exc:
        faults = tuple(Fault(".".join(map(str, error["loc"])), error["msg"]) for error in exc.errors())
        raise InvalidInput("the schedule's task is not valid", faults=faults) from None
