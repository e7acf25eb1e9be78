"""Sending again what may never have been sent: by workers, submissions and the sweep."""

from collections.abc import Callable, Mapping, Sequence
from math import ceil
from typing import Any

from steersman.aws.queues import MAX_DELAY_S, Delivery, Job, StageQueues
from steersman.tasks.words import Lane, Priority, lane_for

Warn = Callable[[str, Mapping[str, Any]], None]  # takes what went wrong, and facts of it


def resend(queues: StageQueues, rows: Sequence[Mapping[str, Any]], lanes: tuple[Lane, ...]) -> None:
    """Send a job for each row (task_id, project_id, stage, queue, attempt, priority and, if it must wait, delay_s).

    Into the lane of its priority, whichever it had: what was lost need not wait behind a flood once more. What must
    wait for longer than a message can is left to the sweep.
    """
    queues.send(
        [
            Delivery(
                row["queue"],
                lane_for(Priority(row["priority"]), lanes),
                Job(row["task_id"], row["stage"], row["attempt"]),
                ceil(row.get("delay_s", 0)),
                str(row["project_id"]),
            )
            for row in rows
            if row.get("delay_s", 0) <= MAX_DELAY_S
        ]
    )
