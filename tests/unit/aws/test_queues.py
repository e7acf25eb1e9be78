"""Stage messages: packing, unpacking, and the calls to SQS."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from steersman.aws.queues import MAX_PACK_BYTES, Delivery, Job, StageQueues, pack, unpack
from steersman.errors import Unavailable

names = st.from_regex(r"[a-z][a-z0-9_]{0,39}", fullmatch=True)
jobs = st.builds(Job, st.uuids(), names, st.integers(1, 2**15 - 1))


class Sqs:
    """Notes the calls, and fails as told."""

    def __init__(self, failed: int = 0, error: Exception | None = None) -> None:
        self.calls: list[tuple[str, list[dict[str, Any]]]] = []
        self.failed = failed
        self.error = error

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        if self.error:
            raise self.error
        self.calls.append((QueueUrl, Entries))
        return {"Failed": [{"Id": entry["Id"]} for entry in Entries[: self.failed]]}


@given(st.lists(jobs, max_size=60))
def test_packing_loses_nothing_and_keeps_the_order(given_jobs: list[Job]) -> None:
    """What is packed comes out again, complete and in order."""
    assert [job for body in pack(given_jobs) for job in unpack(body)] == given_jobs


@given(st.integers(1, 5000), names, st.integers(1, 2**15 - 1))
def test_one_call_carries_thousands(count: int, stage: str, attempt: int) -> None:
    """Thousands of jobs fit in ten messages, the messages of one call, and none has more than 64 KiB."""
    bodies = pack([Job(UUID(int=number), stage, attempt) for number in range(count)])
    assert len(bodies) == min(count, len(bodies)) <= 10
    assert all(len(body.encode()) <= MAX_PACK_BYTES for body in bodies)


def test_a_message_never_outgrows_64_kib() -> None:
    """When ten messages cannot hold all jobs there are more of them, none above 64 KiB."""
    bodies = pack([Job(uuid4(), "s" * 40, 1) for _ in range(20_000)])
    assert len(bodies) > 10
    assert all(len(body.encode()) <= MAX_PACK_BYTES for body in bodies)


def test_few_jobs_travel_alone_and_many_are_shared_evenly() -> None:
    """Up to ten jobs are a message each; more are shared among ten messages that differ by at most one job."""
    assert [len(unpack(body)) for body in pack([Job(uuid4(), "a", 1)] * 10)] == [1] * 10
    sizes = [len(unpack(body)) for body in pack([Job(uuid4(), "a", 1)] * 95)]
    assert sorted(sizes) == [9] * 5 + [10] * 5
    assert pack([]) == []


GOOD = ["00000000-0000-7000-8000-000000000001", "a", 1]


@pytest.mark.parametrize(
    "body",
    [
        "", "{", "[]", "7", "null", '"x"', "{}", '{"jobs": 7}', '{"jobs": "abc"}', '{"jobs": null}',
        *(
            json.dumps({"jobs": [job]})
            for job in (
                [], 7, GOOD[:2], [*GOOD, 1], ["x", "a", 1], [7, "a", 1], [None, "a", 1], [GOOD[0], 7, 1],
                [GOOD[0], "a", "1"], [GOOD[0], "a", 1.5], [GOOD[0], "a", True], [GOOD[0], "a", 0],
                [GOOD[0], "a", -1], [GOOD[0], "a", 2**15], [GOOD[0], "a", 2**40], [GOOD[0], "A", 1],
                [GOOD[0], "a\0", 1], [GOOD[0], "a" * 41, 1], {"a": 1, "b": 2, "c": 3},
            )
        ),
    ],
)  # fmt: skip
def test_garbage_is_refused(body: str) -> None:
    """Whatever is not a stage message is a ValueError, so that it fails alone."""
    with pytest.raises(ValueError, match="not a stage message"):
        unpack(body)


@given(
    st.text()
    | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(lambda x: json.dumps({"jobs": x}))
)
def test_no_message_can_raise_anything_else(body: str) -> None:
    """Any text is either a stage message or a ValueError."""
    with suppress(ValueError):
        assert all(isinstance(job, Job) for job in unpack(body))


@given(
    st.lists(
        st.builds(
            Delivery,
            st.sampled_from(["intent", "agent"]),
            st.sampled_from(["bulk", "urgent"]),
            jobs,
            st.integers(0, 2000),
            st.just(""),
        ),
        max_size=40,
    )
)
def test_every_delivery_reaches_its_queue_in_time(deliveries: list[Delivery]) -> None:
    """Jobs arrive in their queue and lane, in order, with their delay up to SQS's fifteen minutes."""
    sqs = Sqs()
    StageQueues(sqs, "mem://").send(deliveries)
    sent = [
        (url, entry.get("DelaySeconds", 0), job)
        for url, entries in sqs.calls
        for entry in entries
        for job in unpack(entry["MessageBody"])
    ]
    wanted = [(f"mem://{d.queue}-{d.lane}", min(d.delay_s, 900), d.job) for d in deliveries]
    for group in {(url, delay) for url, delay, _ in wanted}:
        assert [one for one in sent if one[:2] == group] == [one for one in wanted if one[:2] == group]
    assert len(sent) == len(wanted)
    assert all(len(entries) <= 10 for _, entries in sqs.calls)


@given(st.lists(st.tuples(st.sampled_from("abcdefghijklmnop"), jobs), min_size=1, max_size=300))
def test_the_messages_of_a_call_are_shared_among_projects(sent: list[tuple[str, Job]]) -> None:
    """A message names one project and holds nobody else's jobs; only small ones beyond nine share one without a name.
    Projects cost no further call.
    """
    sqs = Sqs()
    StageQueues(sqs, "mem://").send([Delivery("agent", "bulk", job, 0, group) for group, job in sent])
    [(_, entries)] = sqs.calls
    counts = Counter(group for group, _ in sent)
    for entry in entries:
        inside = unpack(entry["MessageBody"])
        if "MessageGroupId" in entry:
            ours = [job for group, job in sent if group == entry["MessageGroupId"]]
            assert all(job in ours for job in inside)
        else:
            named = {entry["MessageGroupId"] for entry in entries if "MessageGroupId" in entry}
            assert len(counts) > 10
            assert len(named) == 9
            assert max(counts[group] for group in counts.keys() - named) <= min(
                counts[group] for group in named
            )
    together = sorted((job for entry in entries for job in unpack(entry["MessageBody"])), key=str)
    assert together == sorted((job for _, job in sent), key=str)
    assert len({entry["Id"] for entry in entries}) == len(entries) <= 10


def test_sent_alone_each_job_has_its_message() -> None:
    """Jobs that may kill their worker travel in a message each."""
    sqs = Sqs()
    StageQueues(sqs, "mem://").send_alone(
        [Delivery("agent", "bulk", Job(uuid4(), "a", 1)) for _ in range(25)]
    )
    assert [len(unpack(entry["MessageBody"])) for _, entries in sqs.calls for entry in entries] == [1] * 25


def test_dead_letters_go_to_their_own_queue() -> None:
    """A letter is a message of the stage's dead-letter queue, ten in a call."""
    sqs = Sqs()
    StageQueues(sqs, "mem://").send_dead("agent", [{"task_id": uuid4()} for _ in range(11)])
    assert [(url, len(entries)) for url, entries in sqs.calls] == [
        ("mem://agent-dead", 10),
        ("mem://agent-dead", 1),
    ]


@pytest.mark.parametrize(
    "sqs",
    [
        Sqs(failed=1),
        Sqs(error=EndpointConnectionError(endpoint_url="http://x.example")),
        Sqs(error=ClientError({"Error": {"Code": "Throttled"}}, "SendMessageBatch")),
    ],
)
def test_a_queue_that_does_not_take_all_is_unavailable(sqs: Sqs) -> None:
    """A lost connection, a refusal or one message not taken is Unavailable with a time to wait."""
    with pytest.raises(Unavailable) as caught:
        StageQueues(sqs, "mem://").send([Delivery("agent", "bulk", Job(uuid4(), "a", 1))])
    assert caught.value.retry_after_s


class Choosy(Sqs):
    """Notes the calls, and refuses those to one queue as told."""

    def __init__(self, refused: str, error: Exception | None) -> None:
        super().__init__()
        self.refused = refused
        self.refusal = error

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        if QueueUrl != self.refused:
            return super().send_message_batch(QueueUrl=QueueUrl, Entries=Entries)
        if self.refusal:
            raise self.refusal
        return {"Failed": [{"Id": Entries[0]["Id"]}]}


@pytest.mark.parametrize("refused", ["agent-bulk", "agent-urgent", "intent-bulk"])
@pytest.mark.parametrize("error", [None, EndpointConnectionError(endpoint_url="http://x.example")])
def test_one_refused_group_keeps_no_other_from_its_queue(refused: str, error: Exception | None) -> None:
    """When a queue refuses its jobs, those of all others are sent all the same, and the caller is told in the end."""
    sqs = Choosy(f"mem://{refused}", error)
    groups = [("agent", "bulk"), ("agent", "urgent"), ("intent", "bulk")]
    deliveries = [Delivery(*group, Job(uuid4(), "a", 1)) for group in groups]
    with pytest.raises(Unavailable):
        StageQueues(sqs, "mem://").send(deliveries)
    taken = [f"mem://{queue}-{lane}" for queue, lane in groups if f"{queue}-{lane}" != refused]
    assert [url for url, _ in sqs.calls] == taken


def test_a_refused_call_keeps_no_other_call_of_its_group() -> None:
    """When a group needs several calls and one is refused, the messages of the others are sent."""

    class FirstRefused(Sqs):
        def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
            super().send_message_batch(QueueUrl=QueueUrl, Entries=Entries)
            return {"Failed": [{"Id": Entries[0]["Id"]}] if len(self.calls) == 1 else []}

    sqs = FirstRefused()
    with pytest.raises(Unavailable):
        StageQueues(sqs, "mem://").send([Delivery("agent", "bulk", Job(uuid4(), "s" * 40, 1))] * 20_000)
    assert len(sqs.calls) > 1
    assert sum(len(unpack(entry["MessageBody"])) for _, entries in sqs.calls for entry in entries) == 20_000


THREE = [Delivery("agent", lane, Job(uuid4(), "a", 1)) for lane in ("urgent", "standard", "bulk")]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


def test_calls_are_made_side_by_side(pool: ThreadPoolExecutor) -> None:
    """With an executor's map all calls are under way at once; each is told to the failpoint when it is over."""
    meeting = threading.Barrier(3, timeout=10)

    class Meeting(Sqs):
        def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
            meeting.wait()
            return super().send_message_batch(QueueUrl=QueueUrl, Entries=Entries)

    reached: list[str] = []
    sqs = Meeting()
    StageQueues(sqs, "mem://", reached.append, each=pool.map).send(THREE)
    assert sorted(url for url, _ in sqs.calls) == [
        "mem://agent-bulk",
        "mem://agent-standard",
        "mem://agent-urgent",
    ]
    assert reached == ["queues.sent"] * 3


def test_a_single_call_stays_in_its_thread(pool: ThreadPoolExecutor) -> None:
    """Where there is nothing to wait for beside it, a call needs no thread."""

    class Here(Sqs):
        def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
            assert threading.current_thread() is threading.main_thread()
            return super().send_message_batch(QueueUrl=QueueUrl, Entries=Entries)

    sqs = Here()
    queues = StageQueues(sqs, "mem://", each=pool.map)
    queues.send(THREE[:1])
    queues.send([])
    queues.send_dead("agent", [])
    assert len(sqs.calls) == 1


@pytest.mark.parametrize("refused", ["agent-bulk", "agent-urgent", "agent-standard"])
@pytest.mark.parametrize("error", [None, EndpointConnectionError(endpoint_url="http://x.example")])
def test_side_by_side_too_a_refusal_keeps_no_other_from_its_queue(
    pool: ThreadPoolExecutor, refused: str, error: Exception | None
) -> None:
    """Whichever call is refused, all others were made when the caller is told."""
    sqs = Choosy(f"mem://{refused}", error)
    with pytest.raises(Unavailable) as caught:
        StageQueues(sqs, "mem://", each=pool.map).send(THREE)
    assert len(sqs.calls) == 2
    assert caught.value.__cause__ is error
