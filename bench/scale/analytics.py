"""The analytics views, in a process of its own: `python -m bench.scale.analytics COUNT`, as `reads` does.

They are read through the product's own door, and by the list of agents, which shows one of them.
"""

import json
import sys
from collections.abc import Callable

from bench.scale.requests import Context, event
from bench.scale.timing import Figures, timed


def main() -> None:
    json.dump(measure(int(sys.argv[1])), sys.stdout)


def measure(count: int) -> Figures:
    """Return how long the views of the largest project and the list of agents take."""
    from functions.api.agents import handler
    from steersman.bootstrap import parts
    from steersman.ids import DEFAULT_PROJECT_ID

    def view(name: str) -> Callable[[], object]:
        statement = f"SELECT * FROM {name} WHERE project_id = %(project_id)s"  # noqa: S608 - fixed names
        return lambda: parts().database.run(statement, {"project_id": DEFAULT_PROJECT_ID})

    return {
        "task_analytics": timed(view("task_analytics"), count),
        "agent_performance_summary": timed(view("agent_performance_summary"), count),
        "list_agents": timed(lambda: handler(event("/v1/agents"), Context()), count),
    }


if __name__ == "__main__":
    main()
