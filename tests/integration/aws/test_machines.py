"""Every door to Step Functions keeps the same contract: the real one by the local cloud's, and the one in memory.

Not by moto, whose executions do not begin by the ARN of a version.
"""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, cast
from uuid import uuid4

import pytest

from steersman.aws.machines import StateMachines
from steersman.errors import Unavailable
from steersman.local.deployment import client
from steersman.local.parts import cloud
from steersman.local.ports import free_port
from steersman.local.supervisor import Supervisor
from tests.fixtures import absent
from tests.fixtures.machines import MemoryMachines

ROLE = "arn:aws:iam::000000000000:role/machines"
TASK = "01890000-0000-7000-8000-000000000001"
GIVEN = {"task_id": TASK, "lane": "standard"}


def definition(comment: str) -> dict[str, Any]:
    return {
        "Comment": comment,
        "StartAt": "a",
        "States": {"a": {"Type": "Wait", "Seconds": 600, "End": True}},
    }


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The AWS API of the local cloud, by its port."""
    folder, port = tmp_path_factory.mktemp("emulator"), free_port()
    part, supervisor = cloud(folder, port, {}), Supervisor(folder / "processes.json")
    supervisor.ensure(part)
    yield port
    supervisor.stop(part)


class Door:
    """A door with a look behind it: the status of each execution by its name."""

    def __init__(self, machines: StateMachines, client: Any) -> None:
        self.machines = machines
        self._client = client

    def executions(self, version_arn: str) -> dict[str, str]:
        if isinstance(self.machines, MemoryMachines):
            return dict(self.machines.executions)
        arn = version_arn.rpartition(":")[0]
        found = self._client.list_executions(stateMachineArn=arn)["executions"]
        return {one["name"]: one["status"] for one in found}


@pytest.fixture(params=["step functions", "memory"])
def door(request: pytest.FixtureRequest) -> Door:
    if request.param == "memory":
        return Door(cast("StateMachines", MemoryMachines()), None)
    sfn = client("stepfunctions", request.getfixturevalue("emulator"))
    # A prefix for each test: what one publishes is no version of another's.
    return Door(StateMachines(sfn, prefix=f"t{uuid4().hex}-", role_arn=ROLE), sfn)


def test_each_publication_is_a_version(door: Door) -> None:
    """A definition that is published becomes the next version of its machine, whose ARN tells its number."""
    versions = [
        door.machines.publish("sample", definition(text), description=text) for text in ("one", "two")
    ]
    assert [arn.rpartition(":")[2] for arn in versions] == ["1", "2"]
    assert len({arn.rpartition(":")[0] for arn in versions}) == 1


def test_an_execution_begins_once(door: Door) -> None:
    """A task has one execution that runs, named by its id, however often it is begun; one that ended has a next."""
    version = door.machines.publish("sample", definition("one"), description="one")
    for _ in range(3):
        door.machines.begin(version, TASK, GIVEN)
    assert door.executions(version) == {TASK: "RUNNING"}
    door.machines.stop(version, TASK, error="Steersman.Cancelled", cause="the task is cancelled")
    for _ in range(2):
        door.machines.begin(version, TASK, GIVEN)
    assert door.executions(version) == {TASK: "ABORTED", f"{TASK}-2": "RUNNING"}


def test_all_executions_of_a_task_are_stopped(door: Door) -> None:
    """Stopping ends what runs; where nothing runs, or nothing ever did, it does nothing."""
    version = door.machines.publish("sample", definition("one"), description="one")
    door.machines.stop(version, TASK, error="x", cause="y")
    door.machines.begin(version, TASK, GIVEN)
    for _ in range(2):
        door.machines.stop(version, TASK, error="x", cause="y" * 100_000)
        assert door.executions(version) == {TASK: "ABORTED"}


def _unreachable() -> Any:
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=1, retries={"total_max_attempts": 1})
    return boto3.client(
        "stepfunctions", region_name="us-east-1", endpoint_url=absent.http_url(), config=config
    )


def test_a_token_that_nobody_waits_for_is_told(door: Door) -> None:
    """An answer that nobody waits for does no harm, and says so."""
    if isinstance(door.machines, MemoryMachines):
        door.machines.left.add("nobody's")
    assert not door.machines.succeed("nobody's", {})
    assert not door.machines.fail("nobody's", "x", "y")


def test_a_door_that_is_away_is_unavailable() -> None:
    """Whatever is asked of a Step Functions that does not answer is Unavailable, which a caller tries again."""
    memory = MemoryMachines(away=True)
    real = StateMachines(_unreachable(), prefix="p-", role_arn=ROLE)
    version = "arn:aws:states:us-east-1:000000000000:stateMachine:sample:1"
    for machines in (cast("StateMachines", memory), real):
        for ask in (
            lambda one: one.publish("sample", definition("one"), description="one"),
            lambda one: one.begin(version, TASK, GIVEN),
            lambda one: one.stop(version, TASK, error="x", cause="y"),
            lambda one: one.succeed("token", {}),
            lambda one: one.fail("token", "x", "y"),
        ):
            with pytest.raises(Unavailable):
                ask(machines)


def test_branches_of_the_local_cloud_have_tokens_of_their_own(emulator: int) -> None:
    """Stages that are asked for side by side are answered each by itself, also while one of them is tried again."""
    sfn, sqs = client("stepfunctions", emulator), client("sqs", emulator)
    url = sqs.create_queue(QueueName="side-by-side")["QueueUrl"]
    machines = StateMachines(sfn, prefix="", role_arn=ROLE)
    branches = [asking(url, name) for name in ("left", "right")]
    whole = {"StartAt": "both", "States": {"both": {"Type": "Parallel", "Branches": branches, "End": True}}}
    version = machines.publish("side-by-side", whole, description="one")
    machines.begin(version, TASK, {})
    first = asked(sqs, url, 2)
    assert {name: retry for name, (_, retry) in first.items()} == {"left": 0, "right": 0}
    machines.fail(first["left"][0], "Again", "once more")
    (again,) = asked(sqs, url, 1).values()
    assert again[1] == 1
    machines.succeed(first["right"][0], {"by": "right"})
    machines.succeed(again[0], {"by": "left"})
    arn = version.rpartition(":")[0].replace(":stateMachine:", ":execution:") + f":{TASK}"
    until(lambda: sfn.describe_execution(executionArn=arn)["status"] == "SUCCEEDED")
    assert json.loads(sfn.describe_execution(executionArn=arn)["output"]) == [{"by": "left"}, {"by": "right"}]


def asking(url: str, name: str) -> dict[str, Any]:
    """Return a branch that asks for one thing, and once more where that fails."""
    body = {"name": name, "token.$": "$$.Task.Token", "retry.$": "$$.State.RetryCount"}
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Parameters": {"QueueUrl": url, "MessageBody": body},
        "Retry": [{"ErrorEquals": ["Again"], "IntervalSeconds": 1, "MaxAttempts": 1}],
        "End": True,
    }
    return {"StartAt": name, "States": {name: task}}


def asked(sqs: Any, url: str, count: int) -> dict[str, tuple[str, int]]:
    """Return the token and the number of retries of each of the next messages, by name."""
    found: dict[str, tuple[str, int]] = {}

    def all_here() -> bool:
        for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", []):
            body = json.loads(message["Body"])
            found[body["name"]] = (body["token"], body["retry"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return len(found) == count

    until(all_here)
    return found


def until(condition: Callable[[], bool], limit_s: float = 20.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
