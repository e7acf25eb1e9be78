"""Limits of concurrency: never more at once than is allowed, nothing lost, no attempt used up by waiting."""

import threading
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
import redis

from steersman.agents.job import StageJob, StageResult
from steersman.aws.queues import Job, pack
from steersman.cache.connection import connect
from steersman.cache.slots import Ask, Slots
from steersman.db.connection import Database
from steersman.errors import AgentError
from steersman.ids import DEFAULT_PROJECT_ID
from steersman.projects import limits_store
from steersman.tasks import engine, gate, task_store
from steersman.tasks.engine import Engine, Message
from steersman.tasks.open_work import OpenWork
from steersman.tasks.plans import Plans
from steersman.tasks.sweep import Swept, sweep
from tests.fixtures import absent
from tests.fixtures.engine import LANES, Behaviour, Rig, ScriptedAgent, echo, stage


@pytest.fixture
def rig(database: Database, redis_client: redis.Redis) -> Rig:
    """Return a rig whose only agent is outside of the workers and takes three calls at once."""
    made = Rig(database, redis_client)
    made.register(protocol="http", max_concurrency=3)
    return made


class Counting(ScriptedAgent):
    """Notes how many jobs it had in hand at once."""

    def __init__(self, behaviours: dict[str, Behaviour]) -> None:
        super().__init__(behaviours)
        self.in_hand = self.most_seen = 0
        self.lock = threading.Lock()

    def run(self, jobs: Sequence[StageJob]) -> list[StageResult | AgentError]:
        with self.lock:
            self.in_hand += len(jobs)
            self.most_seen = max(self.most_seen, self.in_hand)
        answers = super().run(jobs)
        with self.lock:
            self.in_hand -= len(jobs)
        return answers


def limit_project(rig: Rig, most: int | None) -> None:
    limits_store.put(rig.database, DEFAULT_PROJECT_ID, {"max_running_stages": most}, by="test")


def limit_agents(rig: Rig, most: int) -> None:
    rig.database.run("UPDATE agents SET max_concurrency = %(most)s", {"most": most})


def swept(rig: Rig, client: redis.Redis, **parts: Any) -> Swept:
    given: dict[str, Any] = {
        "database": rig.database,
        "queues": rig.queues,
        "live": rig.live,
        "open_work": OpenWork(client),
        "plans": Plans(rig.database),
        "lanes": LANES,
        "stranded_after_s": 60.0,
        "limits": rig.new_limits(),
        "warn": lambda text, _: rig.warnings.append(text),
    }
    return sweep(**{**given, **parts})


def completed(rig: Rig, task_ids: list[UUID]) -> bool:
    return {rig.task(task_id)["status"] for task_id in task_ids} == {"completed"}


def test_an_agent_gets_no_more_at_once_than_it_takes(rig: Rig) -> None:
    """Of a batch an agent gets as many jobs as it has places; others are put back as the same attempt, and say so."""
    task_ids = rig.submit(rig.publish([stage("a")]), count=10)
    report = rig.step()
    assert report
    assert dict(report.counts) == {"claimed": 10, "waiting": 7, "completed": 3}
    stages = [rig.task(task_id)["stages"][0] for task_id in task_ids]
    told = {(one["status"], one["attempt"], one["waiting_for"], one["started_at"] is None) for one in stages}
    assert told == {("completed", 1, None, False), ("ready", 1, "agent:worker", True)}
    assert len(rig.sqs.take_all()) == 3, "as many are sent as places became free"


def test_what_waits_is_done_as_places_become_free(rig: Rig) -> None:
    """Every attempt that was put back runs in the end, once, and nothing of its wait is in the log."""
    task_ids = rig.submit(rig.publish([stage("a"), stage("b", "a")]), count=10)
    rig.drain()
    assert completed(rig, task_ids)
    assert len(rig.agent.jobs) == 20
    assert {job.attempt for job in rig.agent.jobs} == {1}
    assert len(rig.events(task_ids[-1])) == 8


def test_a_project_has_no_more_stages_running_than_its_limit(rig: Rig) -> None:
    """A project's limit counts all its stages, whichever agent does them; those that wait say what for."""
    rig.register("test.built_in", "inside")
    limit_project(rig, 2)
    plan = rig.publish([stage("a"), stage("b", capability="test.built_in")], output="a")
    task_ids = rig.submit(plan, count=2)
    rig.engine.run(rig.sqs.take_all())
    assert len(rig.agent.jobs) == 2
    waiting = {one["waiting_for"] for task in map(rig.task, task_ids) for one in task["stages"]}
    assert waiting == {None, "project"}
    rig.drain()
    assert completed(rig, task_ids)


def test_workers_side_by_side_keep_the_limit(rig: Rig, database_url: str) -> None:
    """Several workers together never have more calls under way than the agent takes, and all tasks are done."""
    task_ids = rig.submit(rig.publish([stage("a"), stage("b", "a")]), count=40)
    counting, lock = Counting(rig.behaviours), threading.Lock()
    rig.agent = counting

    def work() -> None:
        own = Database(database_url)
        engine = rig.new_engine(own)
        for _ in range(100_000):
            with lock:
                messages = rig.sqs.take(5)
            if messages:
                engine.run(messages)
            elif not own.run("SELECT FROM task_histories WHERE status <> 'completed' LIMIT 1"):
                break
        own.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert completed(rig, task_ids)
    assert counting.most_seen <= 3
    assert len(counting.jobs) == 80


def test_another_agent_takes_what_is_too_much_for_one(rig: Rig) -> None:
    """Where a full agent has a colleague with a place, the job goes there instead of waiting."""
    rig.register(name="second", protocol="http", max_concurrency=4)
    rig.submit(rig.publish([stage("a")]), count=10)
    report = rig.step()
    assert report
    assert report.counts["completed"] == 7
    assert report.counts["waiting"] == 3


def test_who_has_no_limit_pays_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """With agents inside the workers and projects without a limit, the cache is not asked for places."""
    limit_project(rig, None)
    rig.database.run("UPDATE agents SET protocol = 'builtin'")
    for method in ("take", "settle", "waited"):
        monkeypatch.setattr(rig.slots, method, None)
    task_ids = rig.submit(rig.publish([stage("a"), stage("b", "a")]), count=5)
    messages = rig.sqs.take_all()
    rig.engine.run(messages)
    rig.engine.run(messages)
    rig.drain()
    assert completed(rig, task_ids)


def test_without_redis_nothing_is_limited_and_nothing_waits(rig: Rig) -> None:
    """When the cache is away work goes on without limits, with a warning."""
    rig.slots = Slots(connect(absent.redis_url()))
    engine = rig.new_engine()
    task_ids = rig.submit(rig.publish([stage("a")]), count=5)
    rig.step(engine=engine)
    assert completed(rig, task_ids)
    assert "limits are not kept" in rig.warnings


def test_what_was_refused_as_redis_went_away_comes_again_by_a_message(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who can be told to wait by nobody is sent with a delay."""
    task_ids = rig.submit(rig.publish([stage("a")]), count=5)
    monkeypatch.setattr(rig.slots, "settle", Slots(connect(absent.redis_url())).settle)
    rig.step()
    delays = [entry["DelaySeconds"] for sent in rig.sqs.queues.values() for entry in sent]
    low, high = gate.AGAIN_S
    assert len(delays) == 2
    assert all(low <= delay_s <= high for delay_s in delays)
    monkeypatch.undo()
    (agent,) = rig.database.run("SELECT id FROM agents")
    name = f"agent:{agent['id']}"
    rig.slots.settle({name: 3}, left=[(name, f"{task_id} a 1") for task_id in task_ids])
    rig.drain()
    assert completed(rig, task_ids)


def test_urgent_work_waits_less(rig: Rig) -> None:
    """Of what waits for a place, urgent tasks go first, though they came last."""
    limit_agents(rig, 1)
    plan = rig.publish([stage("a")])
    rig.submit(plan, count=4)
    (urgent,) = rig.submit(plan, priority="high")
    by_lane: dict[str, list[Message]] = {}
    for message in rig.sqs.take_all():
        by_lane.setdefault(message.lane, []).append(message)
    held = Held(rig)
    with held:
        rig.engine.run(by_lane["standard"])
        rig.engine.run(by_lane["urgent"])
    rig.drain(limit=1000)
    assert rig.agent.jobs[0].task_id == urgent


def test_a_cancelled_task_gives_way_at_once(rig: Rig) -> None:
    """The place kept for a task that was cancelled while it waited goes to the next one, without a timeout."""
    limit_agents(rig, 1)
    task_ids = rig.submit(rig.publish([stage("a")]), count=6)
    with Held(rig):
        rig.engine.run(rig.sqs.take_all())
    task_store.stop(rig.database, task_ids[:4], status="cancelled", errors=[None] * 4)
    rig.drain()
    assert {rig.task(task_id)["status"] for task_id in task_ids[:4]} <= {"cancelled", "completed"}
    assert completed(rig, task_ids[4:])


def test_a_task_that_fails_without_an_agent_gives_way(rig: Rig) -> None:
    """The place kept for a task whose deadline passed meanwhile goes to the next one."""
    limit_agents(rig, 1)
    task_ids = rig.submit(rig.publish([stage("a")]), count=3)
    with Held(rig):
        rig.engine.run(rig.sqs.take_all())
    rig.database.run("UPDATE task_histories SET deadline_at = now() WHERE id = %(id)s", {"id": min(task_ids)})
    rig.drain()
    assert sorted(rig.task(task_id)["status"] for task_id in task_ids) == ["completed", "completed", "failed"]


class Held:
    """Holds every place of the rig's agent for a while, as another worker would; then leaves."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        (agent,) = rig.database.run("SELECT id, max_concurrency FROM agents")
        self._name, self._most = f"agent:{agent['id']}", agent["max_concurrency"]
        self._others = [f"other {number}" for number in range(self._most)]

    def __enter__(self) -> None:
        asks = [Ask(other, [[self._name]]) for other in self._others]
        self._rig.slots.take(asks, {self._name: self._most}, hold_s=30)

    def __exit__(self, *_: object) -> None:
        left = [(self._name, other) for other in self._others]
        free = self._rig.slots.settle({self._name: self._most}, left=left)
        for holder, told in free:
            task_id, name, attempt = holder.split()
            queue, lane, group = told.split()
            job = Job(UUID(task_id), name, int(attempt))
            entry = {"Id": "0", "MessageBody": pack([job])[0], "MessageGroupId": group}
            self._rig.sqs.send_message_batch(QueueUrl=f"mem://{queue}-{lane}", Entries=[entry])


@pytest.fixture
def renewing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have leases and places renewed all the time."""
    monkeypatch.setattr(engine, "RENEW_S", 0.0)


def test_a_place_is_kept_as_long_as_its_agent_works(
    rig: Rig, renewing: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A place lasts as long as its lease, and is renewed with it while the agent is at work."""
    limit_agents(rig, 1)
    renewed = threading.Event()
    take = rig.slots.take

    def noticed(asks: Any, most: Any, *, hold_s: float) -> Any:
        if rig.agent.jobs:
            renewed.set()
        return take(asks, most, hold_s=hold_s)

    monkeypatch.setattr(rig.slots, "take", noticed)
    rig.behaviours["a"] = lambda job: (renewed.wait(20), echo(job))[1]
    (task_id,) = rig.submit(rig.publish([stage("a")]))
    rig.step()
    assert renewed.is_set()
    assert completed(rig, [task_id])


def crashing(rig: Rig) -> Engine:
    """Return an engine that dies when its agents have answered."""
    doomed = rig.new_engine()

    def die(name: str) -> None:
        if name == "engine.ran":
            raise KeyboardInterrupt

    doomed._reach = die
    return doomed


def test_the_places_of_a_worker_that_died_are_found_by_the_sweep(rig: Rig, redis_client: redis.Redis) -> None:
    """What waits behind a dead worker goes on when its places have run out, though nobody gives them back."""
    limit_agents(rig, 1)
    task_ids = rig.submit(rig.publish([stage("a")]), count=3)
    with pytest.raises(KeyboardInterrupt):
        rig.step(engine=crashing(rig))
    assert swept(rig, redis_client).freed == 0, "the dead worker's place is still its own"
    redis_client.zremrangebyscore(redis_client.keys("{steersman:slots}:held:*")[0], "-inf", "+inf")
    assert swept(rig, redis_client).freed == 1
    rig.database.run("UPDATE task_stages SET lease_expires_at = now() WHERE status = 'running'")
    assert swept(rig, redis_client).sent == 1
    rig.drain()
    assert completed(rig, task_ids)


def test_what_waits_outlives_redis(rig: Rig, redis_client: redis.Redis) -> None:
    """When Redis is emptied, what waited there is sent again by the sweep when its patience is over, not before."""
    task_ids = rig.submit(rig.publish([stage("a")]), count=5)
    with Held(rig):
        rig.engine.run(rig.sqs.take_all())
        redis_client.flushdb()
    assert swept(rig, redis_client, stranded_after_s=-1.0).sent == 0
    rig.database.run("UPDATE task_stages SET resent_at = resent_at - make_interval(secs => 240)")
    assert swept(rig, redis_client, stranded_after_s=-1.0).sent == 5
    rig.drain()
    assert completed(rig, task_ids)


def test_a_worker_that_dies_with_what_had_waited_is_replaced_as_soon_as_any(
    rig: Rig, redis_client: redis.Redis
) -> None:
    """That a stage once waited does not keep the sweep from a lease that ran out since."""
    (task_id,) = rig.submit(rig.publish([stage("a")]))
    with Held(rig):
        rig.engine.run(rig.sqs.take_all())
    with pytest.raises(KeyboardInterrupt):
        rig.step(engine=crashing(rig))
    rig.database.run("UPDATE task_stages SET lease_expires_at = now() - interval '1 s'")
    assert swept(rig, redis_client).sent == 1
    rig.drain()
    assert completed(rig, [task_id])


def test_a_limit_that_was_lifted_holds_nobody(rig: Rig, redis_client: redis.Redis) -> None:
    """What waits for a project's limit goes on when the limit is taken away, within a sweep."""
    limit_agents(rig, 100)
    limit_project(rig, 1)
    task_ids = rig.submit(rig.publish([stage("a")]), count=4)
    rig.step()
    limit_project(rig, None)
    rig.sqs.queues.clear()  # what the first place that became free was given to
    assert swept(rig, redis_client).freed == 2
    rig.engine = rig.new_engine()
    rig.drain()
    assert [rig.task(task_id)["status"] for task_id in task_ids].count("completed") == 3
