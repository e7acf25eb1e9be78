"""The tasks that were open when something was killed (`test_accidents`)."""

import pytest

from tests.e2e.agent import HeldAgent
from tests.e2e.local_cloud import Steersman, until

# A lease lasts half a minute, and the schedule of the sweep is a minute.
LIMIT_S = 120.0


@pytest.mark.parametrize("killed", ["worker", "database", "emulator"])
def test_a_task_outlives_what_was_killed(
    steersman: Steersman, agent: HeldAgent, accidents: dict[str, str], killed: str
) -> None:
    """A task that was accepted before a process was killed completes, and each stage counts once."""
    task_id = accidents[killed]
    until(
        lambda: swept_to_its_end(steersman, task_id), f"the task of the killed {killed} ends", limit_s=LIMIT_S
    )
    task = steersman.task(task_id)
    assert task["status"] == "completed", task
    types = [(event["subject"], event["type"]) for event in steersman.all_events(task_id)]
    for stage in ("work", "follow"):
        assert types.count((stage, "steersman.stage.completed.v1")) == 1
    assert types.count(("", "steersman.task.completed.v1")) == 1


def swept_to_its_end(steersman: Steersman, task_id: str) -> bool:
    """Sweep as the schedule does every minute, and say whether the task has ended."""
    if steersman.events(task_id, wait_s=0)["ended"]:
        return True
    steersman.run("invoke", "ops.sweep", "events/ops/sweep.json")
    return bool(steersman.events(task_id, wait_s=5)["ended"])


def test_the_schedule_runs_the_sweep(steersman: Steersman) -> None:
    """EventBridge calls the sweep every minute without anybody's doing."""
    until(lambda: swept_by_schedule(steersman), "the schedule has run a sweep", limit_s=90)


def swept_by_schedule(steersman: Steersman) -> bool:
    # Sweeps of `invoke` run outside the emulator and do not write there.
    lines = steersman.local.function_logs()
    return any(group.endswith("ops-sweep") and '"swept"' in line for _, group, line in lines)
