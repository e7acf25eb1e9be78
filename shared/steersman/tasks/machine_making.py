"""Templates become versions of state machines when they are published."""

from collections.abc import Callable
from hashlib import sha256
from uuid import UUID

from steersman.aws.machines import StateMachines
from steersman.tasks.asl.compile import compile_template
from steersman.tasks.template import Template

_SHOWN = 40  # of a template's name in that of its machine, which has room for 80 with its prefix


class MachineMaking:
    """Makes state machines that send to the stage queues at `queue_prefix` (up to '<queue>-<lane>')."""

    def __init__(self, machines: Callable[[], StateMachines], queue_prefix: str) -> None:
        self._machines = machines
        self._queue_prefix = queue_prefix

    def make(self, project_id: UUID, template: Template) -> str:
        """Return the ARN of a new version of a template's state machine.

        Raises InvalidInput when it does not fit into one, Unavailable when Step Functions does not take it.
        """
        definition = compile_template(template, queue_prefix=self._queue_prefix).definition
        described = f"template {template.name} of project {project_id}"
        return self._machines().publish(
            machine_name(project_id, template.name), definition, description=described
        )


def machine_name(project_id: UUID, template: str) -> str:
    """Return what the state machine of a project's template is called, after the environment's prefix."""
    return f"{template[:_SHOWN]}-{sha256(f'{project_id}/{template}'.encode()).hexdigest()[:12]}"
