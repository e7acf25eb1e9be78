"""Schedules in the local cloud: nobody asks, and a task is done."""

from tests.e2e.local_cloud import Steersman, until

# A minute to the schedule's time, one more to the sweep.
LIMIT_S = 150.0


def test_a_schedule_makes_tasks_that_are_done(steersman: Steersman) -> None:
    """A schedule of every minute makes its task by itself, which is answered; paused and deleted it makes no more."""
    question = '{"question": "How tall was the lighthouse of Pharos?"}'
    steersman.run(
        "schedules", "create", "minutely", "-t", "quick_answer", "--input", question, "--cron", "* * * * *"
    )
    until(
        lambda: steersman.json("schedules", "show", "minutely")["last_task_id"] is not None,
        "the schedule has made a task",
        limit_s=LIMIT_S,
    )
    made = steersman.json("schedules", "pause", "minutely")
    assert (made["paused"], made["last_error"]) == (True, None)
    task = steersman.ended(made["last_task_id"])
    assert (task["status"], task["requested_through"]) == ("completed", "schedule")
    steersman.run("schedules", "delete", "minutely")
    assert steersman.json("schedules", "list")["schedules"] == []
