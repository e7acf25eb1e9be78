"""What `make bench-cloud` reads over HTTP, and out of the functions' logs and processes."""

import json
from typing import Any

import httpx
import pytest

from bench.cloud.drive import Driver, Passed, Read, Stuck
from bench.cloud.invocations import Calls
from bench.cloud.processes import between
from bench.cloud.workload import SIZE_BYTES, TEMPLATE, submission, task_input
from steersman.cli.client import Client
from steersman.tasks.template import parse_template
from steersman.tasks.views import TaskSubmission


class EchoApi:
    """An API whose tasks have all completed, two a page, with the outputs given to it instead of their inputs."""

    def __init__(self, outputs: dict[int, Any]) -> None:
        self.outputs = outputs
        self.inputs: list[dict[str, Any]] = []
        self.pages = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        query = request.url.params
        if request.method == "POST":
            self.inputs = [task["input"] for task in json.loads(request.content)["tasks"]]
            return httpx.Response(202, json={"tasks": [{"id": str(n)} for n in range(len(self.inputs))]})
        if request.url.path.endswith("/events"):
            return httpx.Response(200, json={"events": [], "cursor": "", "ended": True})
        self.pages += 1
        first = int(query.get("cursor", 0))
        listed = [self.task(n, query) for n in range(first, min(first + 2, len(self.inputs)))]
        following = str(first + 2) if first + 2 < len(self.inputs) else None
        return httpx.Response(200, json={"tasks": listed, "next_cursor": following})

    def task(self, number: int, query: httpx.QueryParams) -> dict[str, Any]:
        bare = {"id": str(number), "status": "completed", "error": None}
        included = {"output": self.outputs.get(number, self.inputs[number])}
        return {**bare, **(included if query.get("include") == "output" else {})}


def passed_by_pages(api: EchoApi, tasks: int) -> Passed:
    client = Client("http://api", transport=httpx.MockTransport(api))
    return Driver(client, lambda _: None).pass_through(tasks, priority="low", read=Read.PAGES)


def test_every_result_is_read_by_pages() -> None:
    """A load read by pages ends when the result of each task was read, over as many pages as there are."""
    api = EchoApi({})
    assert passed_by_pages(api, 5).tasks == 5
    assert api.pages == 3


@pytest.mark.parametrize("output", [None, {}, task_input(1)], ids=["none", "empty", "another task's"])
def test_a_wrong_result_in_a_page_ends_the_measurement(output: Any) -> None:
    """A load whose result is not its input is no measurement, whichever page it is on."""
    with pytest.raises(Stuck, match="the task 4 ended as completed with another output"):
        passed_by_pages(EchoApi({4: output}), 5)


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
