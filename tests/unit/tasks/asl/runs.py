"""Templates compiled and run in memory."""

from typing import Any
from uuid import UUID

from steersman.tasks.asl.compile import Compiled, compile_template
from steersman.tasks.planner import Plan
from steersman.tasks.template import parse_template
from tests.unit.tasks.asl.clock import StateFailed
from tests.unit.tasks.asl.interpreter import Execution
from tests.unit.tasks.asl.workers import PREFIX, Workers


def plan_of(*stages: dict[str, Any], **more: Any) -> Plan:
    document = {"name": "sample", "output": stages[-1]["name"], "stages": list(stages), **more}
    return Plan(UUID(int=1), 1, parse_template(document))


def compiled(plan: Plan) -> Compiled:
    return compile_template(plan.template, queue_prefix=PREFIX)


def run(workers: Workers) -> tuple[Execution, str | None]:
    """Run a task to its end; return the execution and the name of the error that it failed with, or None."""
    execution = Execution(compiled(workers.plan).definition, workers)
    try:
        execution.run(workers.beginning())
    except StateFailed as failed:
        return execution, failed.error
    return execution, None
