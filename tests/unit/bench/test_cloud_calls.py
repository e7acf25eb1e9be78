"""What `make bench-cloud` reads out of the functions' logs and processes."""

import json

from bench.cloud.invocations import Calls
from bench.cloud.processes import between
from bench.cloud.workload import SIZE_BYTES, TEMPLATE, submission, task_input
from steersman.tasks.template import parse_template
from steersman.tasks.views import TaskSubmission


def batch_line(**fields: object) -> str:
    return json.dumps({"level": "INFO", "message": "batch", **fields})


def test_calls_add_up_reports_and_batches() -> None:
    """A function's figures are the sums over its calls' reports and its batches, and other lines add nothing."""
    calls = Calls()
    for line in (
        "START RequestId: 1 Version: $LATEST",
        batch_line(messages=10, counts={"claimed": 100, "completed": 100}, duration_ms=250.0),
        json.dumps({"_aws": {"Timestamp": 1}, "Jobs": 100}),
        "{not JSON",
        "REPORT RequestId: 1\tDuration: 262 ms\tBilled Duration: 262 ms\tMemory Size: 512 MB",
        batch_line(messages=2, counts={"claimed": 20, "done": 1}, duration_ms=50.0),
        "REPORT RequestId: 2\tDuration: 58 ms\tBilled Duration: 58 ms\tMemory Size: 512 MB",
    ):
        calls.add(line)
    assert (calls.calls, calls.messages, calls.jobs, calls.largest) == (2, 12, 120, 100)
    assert round(calls.seconds, 3) == 0.32
    assert round(calls.handler_s, 3) == 0.3


def test_calls_count_warnings_by_their_message() -> None:
    """What a function warned of is in the figures, so that a run with trouble is not taken for a clean one."""
    calls = Calls()
    for _ in range(2):
        calls.add(json.dumps({"level": "WARNING", "message": "queues did not take all jobs"}))
    assert calls.warnings == {"queues did not take all jobs": 2}


def test_between_counts_processes_that_began_meanwhile() -> None:
    """A process that began between two readings counts with all it used."""
    assert between({"a": 1.0}, {"a": 1.5, "b": 2.0}) == {"b": 2.0, "a": 0.5}


def test_every_input_has_the_size_of_the_workload() -> None:
    """Each task's input is 200 bytes of JSON, whatever its number."""
    assert {len(json.dumps(task_input(number))) for number in (0, 7, 999, 99_999)} == {SIZE_BYTES}


def test_the_workload_is_valid() -> None:
    """The API would take the template and its tasks."""
    assert len(parse_template(TEMPLATE).stages) == 6
    TaskSubmission.model_validate(submission(1, priority="low", label="x"))
