"""Templates and tasks on one of the orchestrators, for the suite that both must pass."""

from collections.abc import Mapping, Sequence
from typing import Any

from steersman.tasks.words import Orchestrator
from tests.e2e.local_cloud import Steersman, until

STATUSES = {"completed": "SUCCEEDED", "failed": "FAILED", "cancelled": "ABORTED"}


class Ways:
    """Publishes templates whose names and orchestrator are those of one run of the suite.

    Where state machines drive, a task that has ended is only accepted with an execution that ended as it did.
    """

    def __init__(self, steersman: Steersman, orchestrator: Orchestrator) -> None:
        self.steersman = steersman
        self.http = steersman.http
        self._orchestrator = orchestrator

    def name(self, name: str) -> str:
        """Return what a template of the suite is called here."""
        return f"e2e_{name}_{self._orchestrator}"

    def publish(self, name: str, stages: Sequence[Mapping[str, Any]], **more: Any) -> str:
        """Publish a template; return what it is called."""
        template = {
            "name": self.name(name),
            "orchestrator": self._orchestrator,
            "deadline_s": 120,
            "stages": stages,
            **more,
        }
        answer = self.http.post("/v1/templates", json={"template": template})
        assert answer.status_code in {200, 201}, answer.text
        return self.name(name)

    def submit(self, name: str, given: dict[str, Any], **fields: Any) -> str:
        """Submit a task; return its id."""
        return self.steersman.submit(self.name(name), given, **fields)

    def run(self, name: str, given: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """Submit a task; return it when it has ended."""
        return self.ended(self.submit(name, given, **fields))

    def ended(self, task_id: str, *, run: int = 1) -> dict[str, Any]:
        """Return a task when it has ended, in its `run`th run, and its execution with it."""
        task = self.steersman.ended(task_id)
        assert task["orchestrator"] == self._orchestrator
        if self._orchestrator is Orchestrator.STEP_FUNCTIONS:
            name = task_id if run == 1 else f"{task_id}-{run}"
            until(lambda: self._execution(name) != "RUNNING", "its execution ends", limit_s=10)
            found = self._execution(name)
            late = found == "ABORTED" and (task["error"] or {}).get("code") == "deadline_passed"
            assert found == STATUSES[task["status"]] or late, (
                f"a task that is {task['status']} has an execution that is {found}"
            )
        return task

    def waiting(self, task_id: str, stage: str, status: str = "awaiting") -> dict[str, Any]:
        """Return a task as soon as one of its stages has a status."""

        def waits() -> bool:
            stages = self.steersman.task(task_id)["stages"]
            return any(found["name"] == stage and found["status"] == status for found in stages)

        until(waits, f"stage {stage} is {status}")
        return self.steersman.task(task_id)

    def _execution(self, name: str) -> str:
        states = self.steersman.aws("stepfunctions")
        for machine in states.list_state_machines()["stateMachines"]:
            arn = machine["stateMachineArn"].replace(":stateMachine:", ":execution:") + f":{name}"
            try:
                return str(states.describe_execution(executionArn=arn)["status"])
            except states.exceptions.ExecutionDoesNotExist:
                continue
        return "missing"
