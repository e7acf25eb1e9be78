"""Batches of more jobs than are claimed at a time, and of more than there is time for."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from steersman.aws.queues import unpack
from steersman.errors import Unavailable
from steersman.tasks import attempt_store
from steersman.tasks.attempt_store import Lease
from steersman.tasks.engine import MAX_JOBS, MAX_JOBS_S, Message
from tests.fixtures.engine import Rig, stage

COUNT = 250


@pytest.fixture
def messages(rig: Rig) -> list[Message]:
    """Ten messages with packs of 25 jobs, each a task of one stage."""
    rig.submit(rig.publish([stage("a")]), count=COUNT)
    taken = rig.sqs.take_all()
    assert [len(unpack(message.body)) for message in taken] == [25] * 10
    return taken


def ends(rig: Rig) -> dict[str, int]:
    rows = rig.database.run("SELECT status, count(*) AS tasks FROM task_histories GROUP BY status")
    return {row["status"]: row["tasks"] for row in rows}


def runs(rig: Rig) -> Counter[UUID]:
    return Counter(job.task_id for job in rig.agent.jobs)


def test_a_large_batch_is_claimed_in_parts(
    rig: Rig, messages: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch of any size is done MAX_JOBS at a time, so that no agent and no statement gets more."""
    sizes, real = list[int](), attempt_store.claim

    def claim(database: Any, leases: Sequence[Lease], *, lease_s: float) -> list[dict[str, Any]]:
        sizes.append(len(leases))
        return real(database, leases, lease_s=lease_s)

    monkeypatch.setattr(attempt_store, "claim", claim)
    report = rig.engine.run(messages)
    assert sizes == [MAX_JOBS, MAX_JOBS, COUNT - 2 * MAX_JOBS]
    assert report.counts == {"claimed": COUNT, "completed": COUNT}
    assert report.failed_messages == []
    assert ends(rig) == {"completed": COUNT}
    assert rig.sqs.take_all() == []


@pytest.mark.parametrize(("times", "done"), [([0.0], 100), ([MAX_JOBS_S, MAX_JOBS_S - 1], 200)])
def test_what_there_is_no_time_for_is_sent_again(
    rig: Rig, messages: list[Message], times: list[float], done: int
) -> None:
    """When time runs out, the jobs not begun go back to their queue and lane as packs, and each is done once."""
    left = iter(times)
    report = rig.engine.run(messages, lambda: next(left))
    assert report.counts == {"claimed": done, "completed": done, "postponed": COUNT - done}
    assert report.failed_messages == []
    assert set(rig.sqs.queues) == {"mem://executor-standard"}
    again = [unpack(entry["MessageBody"]) for entry in rig.sqs.queues["mem://executor-standard"]]
    assert [len(jobs) for jobs in again] == [(COUNT - done) // 10] * 10
    assert not {job.task_id for jobs in again for job in jobs} & set(runs(rig))
    rig.drain()
    assert ends(rig) == {"completed": COUNT}
    assert set(runs(rig).values()) == {1}


def test_the_first_part_is_done_however_little_time_is_left(rig: Rig, messages: list[Message]) -> None:
    """A worker that is short of time from the start still does a part, so that no job is sent about for ever."""
    assert rig.engine.run(messages[:4], lambda: 0.0).counts == {"claimed": 100, "completed": 100}


def test_a_queue_that_does_not_take_the_rest_loses_nothing(
    rig: Rig, messages: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When postponed jobs cannot be sent the batch is Unavailable; delivered again, each job is done once."""
    with monkeypatch.context() as patch:
        patch.setattr(rig.sqs, "send_message_batch", lambda **_: {"Failed": [{"Id": "0"}]})
        with pytest.raises(Unavailable):
            rig.engine.run(messages, lambda: 0.0)
    assert ends(rig) == {"completed": 100, "pending": 150}
    report = rig.engine.run([replace(message, receive_count=2) for message in messages])
    assert report.counts == {"split": COUNT}
    rig.drain()
    assert ends(rig) == {"completed": COUNT}
    assert set(runs(rig).values()) == {1}
