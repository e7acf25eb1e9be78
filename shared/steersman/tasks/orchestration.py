"""What the sweep does for tasks that state machines drive: late ones end there too, stranded ones get an execution."""

from collections.abc import Collection, Sequence
from uuid import UUID

from steersman.tasks.executions import Executions
from steersman.tasks.log_store import Fact
from steersman.tasks.tokens import Tokens


class Orchestration:
    """Keeps executions in step with what the sweep decides."""

    def __init__(self, executions: Executions, tokens: Tokens) -> None:
        self._executions = executions
        self._tokens = tokens

    def ended(self, facts: Sequence[Fact]) -> None:
        """End the executions of tasks that have failed; those that begin to be undone hear of it. Raise Unavailable."""
        self._tokens.answer((), {fact.task_id for fact in facts if fact.event == "task.undoing"})
        self._executions.stop({fact.task_id for fact in facts if fact.event == "task.failed"})

    def lost(self, task_ids: Collection[UUID]) -> None:
        """See to it that an execution runs for tasks that do not go on. Raise Unavailable."""
        self._executions.begin(task_ids)
