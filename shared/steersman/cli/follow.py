"""Submitting a task and watching it: redrawn on a terminal, line by line elsewhere."""

from collections.abc import Mapping
from time import monotonic
from typing import Any

import typer
from rich.live import Live

from steersman.cli import show
from steersman.cli.client import Client
from steersman.cli.failures import TASK_NOT_COMPLETED
from steersman.cli.progress import TaskProgress


def watch(client: Client, task_id: str, *, quiet: bool = False) -> dict[str, Any]:
    """Follow a task to its end, drawing its stages (nothing when `quiet`), and return it."""
    if quiet:
        return client.ended(task_id)
    progress = TaskProgress.of(client.task(task_id))
    if show.out.is_terminal:
        heard = monotonic()
        with Live(
            console=show.out,
            refresh_per_second=12,
            get_renderable=lambda: progress.draw(monotonic() - heard, width=show.out.width),
        ):
            for event in client.events(task_id):
                progress.take(event)
                heard = monotonic()
    else:
        for event in client.events(task_id):
            show.line(progress.take(event))
    return client.task(task_id)


def finish(task: Mapping[str, Any], *, json_output: bool) -> None:
    """Print how a task ended; leave with TASK_NOT_COMPLETED when it has no answer."""
    if json_output:
        show.json(task)
    elif task["status"] == "completed":
        show.answer(task)
    else:
        error = task.get("error") or {}
        faults = [(fault["field"], fault["reason"]) for fault in error.get("faults", [])]
        stage = f" at stage '{error['stage']}'" if error.get("stage") else ""
        show.problem(
            f"the task {task['status']}{stage}: {error.get('message', 'no reason was given')}", faults
        )
        show.err.print(f"  do: .venv/bin/steersman tasks show {task['id']}", style="dim")
    if task["status"] != "completed":
        raise typer.Exit(TASK_NOT_COMPLETED)
