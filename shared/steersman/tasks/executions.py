"""Executions of state machines: each task of the orchestrator step_functions has one, and one more when it runs again.

PostgreSQL holds what has ended, so that a new execution of a task goes through that without doing it again.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any
from uuid import UUID

from steersman.aws.machines import StateMachines
from steersman.db.connection import Database
from steersman.errors import Unavailable
from steersman.tasks import token_store
from steersman.tasks.words import Lane, Priority, TaskStatus, lane_for

Row = Mapping[str, Any]
Each = Callable[[Callable[[Row], Unavailable | None], Iterable[Row]], Iterable[Unavailable | None]]


class Executions:
    """Begins and ends them; `each` makes the calls of one beginning: an executor's `map` side by side."""

    def __init__(
        self,
        *,
        database: Database,
        machines: Callable[[], StateMachines],
        lanes: tuple[Lane, ...],
        each: Each = map,
    ) -> None:
        self._database = database
        self._machines = machines
        self._lanes = lanes
        self._each = each

    def begin(self, task_ids: Collection[UUID]) -> list[UUID]:
        """Have an execution run for each of these tasks that is open and wants one; return whose they are.

        Harmless to repeat. Raises Unavailable when any could not be begun, but only after the others.
        """
        rows = token_store.orchestrated(self._database, task_ids) if task_ids else []
        rows = [row for row in rows if not TaskStatus(row["status"]).final]
        refused = [one for one in self._each(self._begin, rows) if one]
        if refused:
            raise refused[-1]
        return [row["id"] for row in rows]

    def _begin(self, row: Mapping[str, Any]) -> Unavailable | None:
        lane = lane_for(Priority(row["priority"]), self._lanes)
        given = {"task_id": str(row["id"]), "project_id": str(row["project_id"]), "lane": lane}
        try:
            self._machines().begin(row["state_machine"], str(row["id"]), given)
        except Unavailable as exc:
            return exc
        return None

    def stop(self, task_ids: Collection[UUID]) -> None:
        """End the executions of tasks that have ended; harmless to repeat. Raise Unavailable."""
        for row in token_store.orchestrated(self._database, task_ids) if task_ids else ():
            status = TaskStatus(row["status"])
            if status.final:
                cause = f"the task is {status}"
                self._machines().stop(
                    row["state_machine"],
                    str(row["id"]),
                    error=f"Steersman.{status.capitalize()}",
                    cause=cause,
                )
