"""The stage functions and the scheduled ones, as Lambda calls them."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from functions.ops import migrate, partitions, sweep
from functions.stages import intent
from steersman.logs import Logger
from steersman.tasks import templates
from steersman.tasks.words import Orchestrator
from tests.fixtures.functions import STAGES, Context, Functions

SECRET = "the very secret question"
Lines = Callable[[], tuple[list[dict[str, Any]], list[dict[str, Any]]]]


Listen = Callable[[], Lines]


@pytest.fixture
def listen(functions: Functions, capfd: pytest.CaptureFixture[str]) -> Listen:
    """Return a function that gives functions a logger from now on, and gives another: it returns the log lines
    (stderr) and the metric lines (stdout) written since it was asked last.
    """

    def read() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        out, err = capfd.readouterr()
        logs, metrics = (
            [json.loads(line) for line in text.splitlines() if line.startswith("{")] for text in (err, out)
        )
        return logs, metrics

    def start() -> Lines:
        functions.parts.logger = Logger(
            f"test-{uuid4()}", "INFO"
        )  # a name's lines go where its first logger wrote
        return read

    return start


def records(functions: Functions, queue: str = "intent", lane: str = "standard") -> list[dict[str, Any]]:
    """Take the messages of a lane as the records that Lambda gets."""
    url = f"{functions.parts.settings.queue_prefix}{queue}-{lane}"
    messages = functions.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [record(message["MessageId"], message["Body"], queue, lane) for message in messages]


def record(message_id: str, body: str, queue: str = "intent", lane: str = "standard") -> dict[str, Any]:
    arn = f"arn:aws:sqs:us-east-1:123456789012:steersman-test-{queue}-{lane}"
    attributes = {"ApproximateReceiveCount": "1"}
    return {"messageId": message_id, "body": body, "attributes": attributes, "eventSourceARN": arn}


def submit(functions: Functions) -> str:
    answer = functions.http(
        "POST", "/v1/tasks", {"template": "standard_query", "input": {"question": SECRET}}
    )
    task_id: str = answer.json["id"]
    return task_id


def test_there_is_a_function_for_every_queue() -> None:
    """Each stage queue has its function, which knows its queue."""
    assert {str(queue): module.handler._queue for queue, module in STAGES.items()} == {
        str(q): str(q) for q in STAGES
    }


def test_an_unreadable_message_fails_alone(functions: Functions) -> None:
    """Of a batch only the message that nobody can read is reported as failed; the rest is done."""
    task_id = submit(functions)
    batch = [record("bad", "nonsense"), *records(functions), record("odd", '{"jobs": [[1, 2, 3]]}')]
    answer = intent.handler({"Records": batch}, Context())
    assert [item["itemIdentifier"] for item in answer["batchItemFailures"]] == ["bad", "odd"]
    assert functions.http("GET", f"/v1/tasks/{task_id}").json["stages"][0]["status"] == "completed"


def test_without_the_database_every_message_comes_again(functions: Functions) -> None:
    """When Postgres is away all ids are reported, so that SQS delivers them again; nothing is raised."""
    submit(functions)
    submit(functions)
    batch = records(functions)
    functions.lose_database()
    answer = intent.handler({"Records": batch}, Context())
    failed = [item["itemIdentifier"] for item in answer["batchItemFailures"]]
    assert failed == [one["messageId"] for one in batch]
    assert len(failed) == 2


def test_a_batch_is_logged_and_measured_without_its_payload(functions: Functions, listen: Listen) -> None:
    """One log line and one metric line in CloudWatch's embedded form tell of a batch; neither holds any payload."""
    submit(functions)
    batch = records(functions)
    lines = listen()
    intent.handler({"Records": batch}, Context())
    logs, metrics = lines()
    (line,) = [one for one in logs if one["message"] == "batch"]
    assert (line["queue"], line["messages"], line["counts"]) == ("intent", 1, {"claimed": 1, "completed": 1})
    (metric,) = metrics
    (directive,) = metric["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Steersman"
    assert {one["Name"] for one in directive["Metrics"]} == {
        "Jobs",
        "Completed",
        "Failed",
        "Retried",
        "BatchDuration",
    }
    assert (metric["queue"], metric["Jobs"], metric["Completed"], metric["Failed"]) == (
        "intent",
        [1.0],
        [1.0],
        [0.0],
    )
    assert SECRET not in json.dumps(logs + metrics)


def test_a_failed_stage_is_logged_by_code(functions: Functions, listen: Listen) -> None:
    """A stage that fails or is tried again is a warning with task, stage and the error's code."""
    task_id = submit(functions)
    functions.parts.database.run("UPDATE agents SET status = 'inactive'")
    lines = listen()
    intent.handler({"Records": records(functions)}, Context())
    (line,) = [one for one in lines()[0] if one["level"] == "WARNING"]
    assert (line["message"], line["task_id"], line["stage"], line["error"]) == (
        "stage.retrying",
        task_id,
        "intent",
        "no_agent",
    )
    assert SECRET not in json.dumps(line)


def test_a_request_is_logged_once_without_its_body(functions: Functions, listen: Listen) -> None:
    """Each HTTP request is one line with correlation id, method, route and status, and nothing of the body."""
    lines = listen()
    functions.http("POST", "/v1/tasks", {"input": {"question": SECRET}}, headers={"x-correlation-id": "mine"})
    functions.http("POST", "/v1/tasks", {"input": {"question": [SECRET]}})
    logs, _ = lines()
    assert [(one["method"], one["route"], one["status"]) for one in logs] == [
        ("POST", "POST /v1/tasks", 202),
        ("POST", "POST /v1/tasks", 422),
    ]
    assert logs[0]["correlation_id"] == "mine"
    assert SECRET not in json.dumps(logs)


def test_the_scheduled_functions_do_their_work_and_tell(functions: Functions, listen: Listen) -> None:
    """Sweep, partitions and migrate answer with what they did and write it as a line, again and again."""
    submit(functions)
    lines = listen()
    assert sweep.handler({}, Context()) == {"asleep": False, "sent": 0, "expired": 0, "fired": 0, "freed": 0}
    functions.parts.database.run("UPDATE idempotency_keys SET created_at = now() - interval '25 hours'")
    assert partitions.handler({}, Context())["forgotten_keys"] == 0
    # What was seeded without state machines gets them.
    new = sum(one.orchestrator is Orchestrator.STEP_FUNCTIONS for one in templates.default_templates())
    for templates_made in (new, 0):
        done = migrate.handler({}, Context())
        assert done | {"revision": ""} == {"revision": "", "agents": 0, "templates": templates_made}
    messages = [one["message"] for one in lines()[0]]
    assert [
        text for text in messages if text in {"swept", "history partitions kept", "database prepared"}
    ] == [
        "swept",
        "history partitions kept",
        "database prepared",
        "database prepared",
    ]


def test_expired_keys_are_forgotten(functions: Functions) -> None:
    """The housekeeping deletes kept answers that are older than a day, and no younger ones."""
    for key in ("old", "young"):
        functions.http("POST", "/v1/tasks", {"input": {"question": "why?"}}, headers={"idempotency-key": key})
    functions.parts.database.run(
        "UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE key = 'old'"
    )
    assert partitions.handler({}, Context())["forgotten_keys"] == 1
    assert functions.rows("idempotency_keys") == 1


@pytest.mark.parametrize("handler", [sweep.handler, partitions.handler])
def test_a_schedule_that_fails_is_seen(functions: Functions, listen: Listen, handler: Any) -> None:
    """Without the database a scheduled function fails, with a line that says where, for the alarm and the retry."""
    from steersman.errors import Unavailable

    functions.lose_database()
    lines = listen()
    with pytest.raises(Unavailable):
        handler({}, Context())
    (line,) = [one for one in lines()[0] if one["level"] == "ERROR"]
    assert line["code"] == "unavailable"
