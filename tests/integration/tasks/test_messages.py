"""Messages as they come: unreadable, packed, redelivered; and stores that are away."""

from dataclasses import replace
from uuid import uuid4

import pytest

from steersman.aws.queues import Job, pack, unpack
from steersman.cache.connection import connect
from steersman.db.connection import Database
from steersman.errors import Unavailable
from steersman.tasks.engine import Message
from steersman.tasks.live import LiveTasks
from tests.fixtures import absent
from tests.fixtures.engine import Rig, stage


@pytest.mark.parametrize(
    "body", ["nonsense", "{}", '{"jobs": [[7, 8, 9]]}', '{"jobs": [["x", "a", 99999999999]]}']
)
def test_an_unreadable_message_fails_alone(rig: Rig, body: str) -> None:
    """A message that is not ours is reported as failed, for the dead-letter queue; the rest of its batch is done."""
    (task_id,) = rig.submit(rig.publish([stage("a")]))
    report = rig.engine.run([Message("bad", body, "executor", "standard"), *rig.sqs.take_all()])
    assert report.failed_messages == ["bad"]
    assert rig.task(task_id)["status"] == "completed"


def test_a_job_of_no_task_is_over(rig: Rig) -> None:
    """A message about a task or stage that does not exist is dropped."""
    (task_id,) = rig.submit(rig.publish([stage("a")]))
    bodies = [pack([Job(uuid4(), "a", 1)])[0], pack([Job(task_id, "zzz", 1)])[0]]
    report = rig.engine.run([Message(str(n), body, "executor", "standard") for n, body in enumerate(bodies)])
    assert report.failed_messages == []
    assert dict(report.counts) == {"over": 2}


def test_a_redelivered_pack_is_split(rig: Rig) -> None:
    """Jobs that came together before go on alone, so that one that kills its worker takes no other with it."""
    rig.submit(rig.publish([stage("a")]), count=20)
    message = replace(rig.sqs.take_all()[0], receive_count=2)
    report = rig.engine.run([message])
    assert report.counts["split"] == 2
    assert rig.agent.jobs == []
    assert [len(unpack(sent.body)) for sent in rig.sqs.take_all()] == [1, 1]


def test_an_empty_batch_costs_nothing(rig: Rig) -> None:
    """Nothing to do is no round trip."""
    rig.database.close()
    assert rig.new_engine(Database(absent.database_url())).run([]).counts == {}


def test_without_the_database_the_batch_comes_again(rig: Rig) -> None:
    """When Postgres is away the batch is Unavailable as a whole, and nothing of it has happened."""
    (task_id,) = rig.submit(rig.publish([stage("a")]))
    messages = rig.sqs.take_all()
    with pytest.raises(Unavailable):
        rig.new_engine(Database(absent.database_url())).run(messages)
    rig.engine.run(messages)
    assert rig.task(task_id)["status"] == "completed"


def test_without_redis_work_goes_on(rig: Rig) -> None:
    """When Redis is away, tasks are done all the same, with a warning."""
    rig.live = LiveTasks(connect(absent.redis_url()))
    engine = rig.new_engine()
    (task_id,) = rig.submit(rig.publish([stage("a"), stage("b", "a")]))
    while rig.step(engine=engine):
        pass
    assert rig.task(task_id)["status"] == "completed"
    assert "events were not published" in rig.warnings


def test_a_queue_that_is_away_loses_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """When SQS does not take what follows, the batch is reported as failed; delivered again, it sends what was lost."""
    (task_id,) = rig.submit(rig.publish([stage("a"), stage("b", "a")]))
    messages = rig.sqs.take_all()
    with monkeypatch.context() as patch:
        patch.setattr(rig.sqs, "send_message_batch", lambda **_: {"Failed": [{"Id": "0"}]})
        assert rig.engine.run(messages).failed_messages == [message.id for message in messages]
    assert rig.statuses(task_id) == {"a": "completed", "b": "ready"}
    assert rig.engine.run(messages).failed_messages == []
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"
    assert [job.stage for job in rig.agent.jobs] == ["a", "b"]
