"""What followers and readers are told in the end: `python -m bench.chaos.reader RUN_FILE`, one JSON line a task."""

import sys
from pathlib import Path
from typing import Any

from bench.chaos.http_events import answer_of, request
from bench.chaos.journal import Journal
from bench.chaos.run_folder import Run
from bench.chaos.wiring import wire
from functions.api.events import handler as events
from functions.api.tasks import handler as tasks


def main() -> None:
    """Ask the API's handlers for every task and its events, and write the answers down."""
    run = Run.load(Path(sys.argv[1]))
    parts = wire(run, "reader", calm=True)
    journal = Journal(run.journal("reader"))
    for row in parts().database.run("SELECT id FROM task_histories ORDER BY id"):
        task_id = str(row["id"])
        told = _get(events, f"/v1/tasks/{task_id}/events", "/v1/tasks/{task_id}/events", task_id)
        journal.write(
            {
                "id": task_id,
                **told,
                "shown": _get(tasks, f"/v1/tasks/{task_id}", "/v1/tasks/{task_id}", task_id),
            }
        )


def _get(handler: Any, path: str, route: str, task_id: str) -> Any:
    status, body = answer_of(
        handler(request("GET", path, route=route, parameters={"task_id": task_id}), None)
    )
    if status != 200:
        raise RuntimeError(f"GET {path} was answered with {status}: {body}")
    return body


if __name__ == "__main__":
    main()
