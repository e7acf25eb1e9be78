"""Queues: names, dead letters, alarms, time to work."""

import pytest

from infra.environments import ENVIRONMENTS
from steersman.tasks.words import Lane, Queue
from tests.infra.assembly import Assembly, Resource, references

BATCHES = {Lane.URGENT: (10, None), Lane.STANDARD: (10, None), Lane.BULK: (100, 2)}


def _redrive_targets(assembly: Assembly) -> set[str]:
    return {
        target
        for queue in assembly.of("AWS::SQS::Queue")
        for target in references(queue.properties.get("RedrivePolicy"))
    }


def _sources(assembly: Assembly) -> list[tuple[Resource, Resource, Resource]]:
    """Return each event source with its queue and its function."""
    by_id = {resource.logical_id: resource for resource in assembly.all()}
    return [
        (
            source,
            by_id[references(source.properties["EventSourceArn"]).pop()],
            by_id[references(source.properties["FunctionName"]).pop()],
        )
        for source in assembly.of("AWS::Lambda::EventSourceMapping")
    ]


def test_every_stage_has_its_lanes_and_one_dead_letter_queue(assembly: Assembly) -> None:
    """The queues are exactly those that code finds by name: each stage in each lane, and its dead letters."""
    lanes = ENVIRONMENTS[assembly.name].lanes
    expected = {f"steersman-{assembly.name}-{stage}-{end}" for stage in Queue for end in (*lanes, "dead")}
    assert {queue.properties["QueueName"] for queue in assembly.of("AWS::SQS::Queue")} == expected


def test_every_queue_has_a_dead_letter_queue_or_is_one(assembly: Assembly) -> None:
    """A poisonous message leaves its queue after five tries, for a queue that keeps it longer."""
    dead = _redrive_targets(assembly)
    kept = {q.logical_id: q.properties["MessageRetentionPeriod"] for q in assembly.of("AWS::SQS::Queue")}
    for queue in assembly.of("AWS::SQS::Queue"):
        if queue.logical_id in dead:
            continue
        policy = queue.properties["RedrivePolicy"]
        assert policy["maxReceiveCount"] == 5
        assert kept[references(policy).pop()] > kept[queue.logical_id]


def test_every_dead_letter_queue_has_an_alarm_that_tells_somebody(assembly: Assembly) -> None:
    """One dead letter is enough to ring."""
    rung = {
        target
        for alarm in assembly.of("AWS::CloudWatch::Alarm")
        if alarm.properties["MetricName"] == "ApproximateNumberOfMessagesVisible"
        and alarm.properties["Threshold"] == 0
        and alarm.properties["AlarmActions"]
        for target in references(alarm.properties["Dimensions"])
    }
    assert rung == _redrive_targets(assembly)


def test_a_message_stays_hidden_six_times_as_long_as_its_function_may_run(assembly: Assembly) -> None:
    """No message is given out again while its batch may still be at work."""
    for _, queue, function in _sources(assembly):
        assert queue.properties["VisibilityTimeout"] >= 6 * function.properties["Timeout"]


def test_every_lane_is_served_by_its_stage_function(assembly: Assembly) -> None:
    """Each lane has one event source, with the lane's batch, bounded, reporting the items that failed."""
    environment = ENVIRONMENTS[assembly.name]
    served = {}
    for source, queue, function in _sources(assembly):
        _, _, stage, lane = queue.properties["QueueName"].split("-")
        served[stage, lane] = function.properties["Handler"]
        asked = source.properties
        assert (asked["BatchSize"], asked.get("MaximumBatchingWindowInSeconds")) == BATCHES[Lane(lane)]
        assert asked["ScalingConfig"] == {"MaximumConcurrency": environment.max_concurrency[Lane(lane)]}
        assert asked["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    modules = {stage: "respond" if stage is Queue.RESPONSES else stage for stage in Queue}
    assert served == {
        (stage, lane): f"functions.stages.{modules[stage]}.handler"
        for stage in Queue
        for lane in environment.lanes
    }


def test_every_queue_is_encrypted_and_refuses_plain_http(assembly: Assembly) -> None:
    """Jobs are encrypted at rest and in transit."""
    refused = {
        target
        for policy in assembly.of("AWS::SQS::QueuePolicy")
        for statement in policy.properties["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny"
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        for target in references(policy.properties["Queues"])
    }
    for queue in assembly.of("AWS::SQS::Queue"):
        assert queue.properties["SqsManagedSseEnabled"] is True
        assert queue.logical_id in refused


@pytest.mark.parametrize(("name", "lanes"), [("local", 3), ("dev", 1), ("prod", 3)])
def test_lanes_are_a_value_of_the_environment(name: str, lanes: int) -> None:
    """An idle event source costs money, so `dev` has one lane where the others have all three."""
    assert len(ENVIRONMENTS[name].lanes) == lanes
