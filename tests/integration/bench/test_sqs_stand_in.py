"""The stand-in for SQS: messages sent by a real boto3 client, delivered as Lambda's event source does."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import Any

import boto3
import pytest
import redis
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from bench.sqs.faults import Failure, ReceiverFaults, SenderFaults
from bench.sqs.figures import dead_letters, depth, read_counts
from bench.sqs.receiver import Received, Receiver
from bench.sqs.sender import install
from tests.fixtures.waiting import wait_for_a_reader

PREFIX = "https://sqs.us-east-1.amazonaws.com/123456789012/stand-in-"
QUEUES = ["stand-in-intent-standard", "stand-in-executor-standard"]
VISIBILITY_S = 0.2


class Killed(BaseException):
    """Stands for SIGKILL."""


class StandIn:
    """A boto3 client and receivers on one stand-in."""

    def __init__(self, url: str) -> None:
        self.url = url

    def client(self, faults: SenderFaults | None = None, tries: int = 1) -> Any:
        client = boto3.client(
            "sqs",
            region_name="us-east-1",
            aws_access_key_id="bench",
            aws_secret_access_key="bench",
            config=Config(retries={"mode": "standard", "total_max_attempts": tries}),
        )
        install(client, self.url, faults)
        return client

    def receiver(self, consumer: str = "one", **more: Any) -> Receiver:
        given = {"visibility_s": VISIBILITY_S, "max_receives": 2, **more}
        return Receiver(self.url, queues=QUEUES, consumer=consumer, **given)


@pytest.fixture
def stand_in(redis_url: str) -> StandIn:
    return StandIn(redis_url)


def send(client: Any, *bodies: str, queue: str = "intent-standard", delay_s: int = 0) -> dict[str, Any]:
    entries = [
        {"Id": str(number), "MessageBody": body, "DelaySeconds": delay_s}
        for number, body in enumerate(bodies)
    ]
    answer: dict[str, Any] = client.send_message_batch(QueueUrl=f"{PREFIX}{queue}", Entries=entries)
    return answer


def bodies(received: Received | None) -> list[str]:
    return [record["body"] for record in received.event["Records"]] if received else []


def failing(received: Received, *numbers: int) -> dict[str, Any]:
    ids = [received.event["Records"][number]["messageId"] for number in numbers]
    return {"batchItemFailures": [{"itemIdentifier": one} for one in ids]}


def test_a_batch_comes_in_order_as_lambda_gives_it(stand_in: StandIn) -> None:
    """What a client sends in a batch is received in order, with the fields of an SQS event."""
    answer = send(stand_in.client(), "a", "b")
    received = stand_in.receiver().receive(10, 0)
    assert received is not None
    first = received.event["Records"][0]
    assert bodies(received) == ["a", "b"]
    assert first["messageId"] == answer["Successful"][0]["MessageId"]
    assert first["md5OfBody"] == answer["Successful"][0]["MD5OfMessageBody"]
    assert first["attributes"]["ApproximateReceiveCount"] == "1"
    assert first["eventSourceARN"].endswith(":stand-in-intent-standard")


def test_a_single_message_is_taken(stand_in: StandIn) -> None:
    """SendMessage answers with the id under which the message is received."""
    answer = stand_in.client().send_message(QueueUrl=f"{PREFIX}intent-standard", MessageBody="alone")
    received = stand_in.receiver().receive(10, 0)
    assert received is not None
    assert received.event["Records"][0]["messageId"] == answer["MessageId"]


def test_a_batch_is_of_one_queue_and_queues_take_turns(stand_in: StandIn) -> None:
    """A batch never mixes queues, and the queue served last is asked last."""
    client = stand_in.client()
    send(client, "a", "b", "c")
    send(client, "x", "y", queue="executor-standard")
    receiver = stand_in.receiver()
    assert [bodies(receiver.receive(2, 0)) for _ in range(3)] == [["a", "b"], ["x", "y"], ["c"]]
    assert receiver.receive(2, 0) is None


def test_settled_messages_are_gone_and_failed_ones_come_again(stand_in: StandIn) -> None:
    """Only messages named in batchItemFailures come again, after the visibility timeout, counted as received twice."""
    send(stand_in.client(), "done", "failed")
    receiver = stand_in.receiver()
    received = receiver.receive(10, 0)
    assert received is not None
    assert receiver.settle(received, failing(received, 1)) == 1
    assert receiver.receive(10, 0) is None
    again = receiver.receive(10, 5.0)
    assert again is not None
    assert bodies(again) == ["failed"]
    assert again.event["Records"][0]["attributes"]["ApproximateReceiveCount"] == "2"


def test_what_a_dead_worker_held_goes_to_another(stand_in: StandIn) -> None:
    """A batch that is never settled is received by another worker after the visibility timeout."""
    send(stand_in.client(), "a")
    stand_in.receiver("dead").receive(10, 0)
    assert bodies(stand_in.receiver("alive").receive(10, 5.0)) == ["a"]


@pytest.mark.parametrize("response", [None, {"batchItemFailures": [{"itemIdentifier": "unknown"}]}])
def test_an_error_fails_the_whole_batch(stand_in: StandIn, response: dict[str, Any] | None) -> None:
    """A function that raised, or that names an unknown message, gets its whole batch again."""
    send(stand_in.client(), "a", "b")
    receiver = stand_in.receiver()
    received = receiver.receive(10, 0)
    assert received is not None
    assert receiver.settle(received, response) == 0
    assert bodies(receiver.receive(10, 5.0)) == ["a", "b"]


def test_a_message_received_too_often_is_a_dead_letter(stand_in: StandIn, redis_client: redis.Redis) -> None:
    """After the most receives a message moves to the dead-letter queue of its stage, which the lanes share."""
    send(stand_in.client(), "poison")
    receiver = stand_in.receiver()
    for _ in range(2):
        received = receiver.receive(10, 5.0)
        assert received is not None
        receiver.settle(received, None)
    assert receiver.receive(10, VISIBILITY_S * 4) is None
    assert dead_letters(redis_client, "stand-in-intent-dead") == ["poison"]
    assert depth(redis_client, QUEUES) == 0


def test_a_delayed_message_waits(stand_in: StandIn) -> None:
    """A message with DelaySeconds is not received before its time, and then without anybody sending more."""
    client = stand_in.client()
    send(client, "later", delay_s=1)
    send(client, "now")
    receiver = stand_in.receiver(visibility_s=60.0)
    began = time.monotonic()
    assert bodies(receiver.receive(10, 5.0)) == ["now"]
    assert bodies(receiver.receive(10, 5.0)) == ["later"]
    assert time.monotonic() - began >= 0.9


def test_a_waiting_receiver_is_woken(stand_in: StandIn, redis_client: redis.Redis) -> None:
    """A receiver that waits gets a message when it is sent."""
    client, receiver = stand_in.client(), stand_in.receiver(visibility_s=60.0)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(receiver.receive, 10, 10.0)
        wait_for_a_reader(redis_client)
        send(client, "a")
        assert bodies(waiting.result()) == ["a"]


def test_entries_fail_in_part(stand_in: StandIn) -> None:
    """Entries that are to fail come back under Failed and are not delivered; the others are."""
    faults = SenderFaults(fail_entries=lambda _queue, entries: [entries[0]["Id"]])
    answer = send(stand_in.client(faults), "a", "b")
    assert [entry["Id"] for entry in answer["Failed"]] == ["0"]
    assert [entry["Id"] for entry in answer["Successful"]] == ["1"]
    assert bodies(stand_in.receiver().receive(10, 0)) == ["b"]


@pytest.mark.parametrize(
    ("failure", "error", "delivered"),
    [
        (Failure.UNAVAILABLE, ClientError, []),
        (Failure.DENIED, ClientError, []),
        (Failure.ANSWER_LOST, ConnectionClosedError, ["a"]),
    ],
)
def test_whole_calls_fail(
    stand_in: StandIn, failure: Failure, error: type[Exception], delivered: list[str]
) -> None:
    """A call that fails raises what botocore raises; its messages are there only when the answer alone was lost."""
    client = stand_in.client(SenderFaults(fail_call=lambda _queue, _entries: failure))
    with pytest.raises(error):
        send(client, "a")
    assert bodies(stand_in.receiver().receive(10, 0)) == delivered


def test_a_try_of_botocores_own_doubles_what_was_taken(stand_in: StandIn, redis_client: redis.Redis) -> None:
    """After a lost answer botocore sends again: the message is there twice, counted as one operation in two calls."""
    failures = iter([Failure.ANSWER_LOST])
    client = stand_in.client(SenderFaults(fail_call=lambda _queue, _entries: next(failures, None)), tries=2)
    send(client, "a")
    assert bodies(stand_in.receiver().receive(10, 0)) == ["a", "a"]
    counts = read_counts(redis_client)
    assert (counts["send_operations"], counts["send_calls"], counts["sent_messages"]) == (1, 2, 2)


@pytest.mark.parametrize(
    "call",
    [
        lambda client: send(client, *"abcdefghijk"),
        lambda client: send(client, "x" * 1024 * 1024, "y"),
        lambda client: client.get_queue_url(QueueName="intent"),
    ],
    ids=["eleven entries", "more than 1 MiB", "a call that is not stood in for"],
)
def test_what_sqs_refuses_is_refused(stand_in: StandIn, call: Callable[[Any], Any]) -> None:
    """A call that is too large, or that the stand-in does not know, is an error and leaves nothing behind."""
    with pytest.raises(ClientError):
        call(stand_in.client())
    assert stand_in.receiver().receive(10, 0) is None


def test_messages_come_twice_late_and_out_of_order(stand_in: StandIn) -> None:
    """A receiver with faults repeats, puts back and reorders messages as its callables say, and loses none."""
    send(stand_in.client(), "twice", "late", "c")
    seconds = iter([0.05])
    faults = ReceiverFaults(
        late=lambda _queue, record: next(seconds, None) if record["body"] == "late" else None,
        order=lambda records: records[::-1],
    )
    once = iter([0.0])
    faults = replace(
        faults, again=lambda _queue, record: next(once, None) if record["body"] == "twice" else None
    )
    receiver = stand_in.receiver(faults=faults, visibility_s=60.0)
    first = receiver.receive(10, 0)
    assert first is not None
    assert bodies(first) == ["c", "twice"]
    assert receiver.settle(first, failing(first, 0)) == 1
    rest = [bodies(receiver.receive(1, 5.0)) for _ in range(2)]
    assert rest == [["twice"], ["late"]]


@pytest.mark.parametrize("dies_at", range(1, 6))
def test_a_receiver_that_dies_as_it_puts_back_leaves_one_message(
    stand_in: StandIn, redis_client: redis.Redis, dies_at: int
) -> None:
    """Whenever a receiver with faults is killed, its message comes, and nothing stays in the queue after that."""
    send(stand_in.client(), "late")
    receiver = stand_in.receiver(faults=ReceiverFaults(late=lambda *_: 0.01))
    calls = count(1)
    call = receiver._redis.execute_command

    def execute(*args: Any, **more: Any) -> Any:
        if next(calls) == dies_at:
            raise Killed
        return call(*args, **more)

    receiver._redis.execute_command = execute  # type: ignore[method-assign]
    with suppress(Killed):
        receiver.receive(1, 0)
    other = stand_in.receiver("other", max_receives=5)
    received = other.receive(1, 5.0)
    assert bodies(received) == ["late"]
    assert received is not None
    other.settle(received, {"batchItemFailures": []})
    assert depth(redis_client, QUEUES) == 0


def test_calls_and_bytes_are_counted(stand_in: StandIn, redis_client: redis.Redis) -> None:
    """The counters say what AWS would bill: calls by 64 KiB, receives and deletes by ten messages."""
    client = stand_in.client()
    send(client, "x" * 70_000, "y")
    for _ in range(2):
        send(client, *"abcde")
    receiver = stand_in.receiver()
    received = receiver.receive(100, 0)
    assert received is not None
    receiver.settle(received, {"batchItemFailures": []})
    assert read_counts(redis_client) == {
        "send_operations": 3,
        "send_calls": 3,
        "send_units": 4,
        "sent_messages": 12,
        "sent_bytes": 70_011,
        "receive_calls": 2,
        "received_messages": 12,
        "invocations": 1,
        "delete_calls": 2,
        "deleted_messages": 12,
    }
