"""Tasks that ended and run again: what begins anew, what is kept, and what of the earlier run counts no more."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any
from uuid import UUID

import pytest
import redis

from steersman.agents.job import StageJob, StageResult
from steersman.bootstrap import LONG_POLL_S
from steersman.cache.connection import connect
from steersman.db.connection import Database
from steersman.errors import AgentError, AgentRefused, Conflict, InvalidInput, NotFound, Unavailable
from steersman.ids import new_id
from steersman.tasks import live, log_store, resumption_store
from steersman.tasks.live import LiveTasks
from steersman.tasks.open_work import OpenWork
from steersman.tasks.plans import Plans
from steersman.tasks.service import Tasks
from steersman.tasks.sweep import Swept, sweep
from steersman.tasks.words import Resumption
from tests.fixtures import absent
from tests.fixtures.engine import LANES, Rig, costly, echo, stage
from tests.fixtures.resuming import Again, again, asked
from tests.fixtures.waiting import wait_for_a_reader
from tests.integration.db.rows import insert

DIAMOND = [stage("a"), stage("b", "a"), stage("c", "a"), stage("d", "b", "c")]


@pytest.fixture
def runs(rig: Rig, redis_client: redis.Redis) -> Again:
    return again(rig, redis_client)


def broken(_: StageJob) -> AgentError:
    return AgentRefused("it is broken")


def submitted(rig: Rig, stages: list[dict[str, Any]], **more: Any) -> UUID:
    (task_id,) = rig.submit(rig.publish(stages), **more)
    rig.drain()
    return task_id


def ran(rig: Rig) -> list[tuple[str, int]]:
    """Return the stages and attempts that agents were asked for since the last call."""
    done = [(job.stage, job.attempt) for job in rig.agent.jobs]
    rig.agent.jobs.clear()
    return done


def test_a_rerun_keeps_the_results_before_the_chosen_stage(rig: Rig, runs: Again) -> None:
    """A completed task run again from a stage does that one and what comes after it, on the results that were there."""
    task_id = submitted(rig, DIAMOND)
    ran(rig)
    answer = runs.reruns.rerun(task_id, ["c"], asked())
    assert answer == {"id": str(task_id), "status": "pending", "stages": ["c", "d"]}
    task = rig.task(task_id)
    assert (task["status"], task["output"], task["finished_at"]) == ("pending", None, None)
    rig.drain()
    assert ran(rig) == [("c", 2), ("d", 2)]
    assert rig.task(task_id)["status"] == "completed"
    assert rig.task(task_id)["output"] == {"stage": "d"}
    assert runs.attempts(task_id) == {"a": 1, "b": 1, "c": 2, "d": 2}


def test_a_failed_task_goes_on_where_it_failed(rig: Rig, runs: Again) -> None:
    """A redriven task does again what did not end well, and completes with the results of its first run."""
    rig.behaviours["b"] = broken
    task_id = submitted(rig, DIAMOND)
    assert rig.statuses(task_id)["b"] == "failed"
    ran(rig)
    rig.behaviours.clear()
    (letter,) = runs.open_letters()
    assert runs.letters.redrive(letter["id"], asked(), None)["status"] == "redriven"
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"
    assert {name for name, _ in ran(rig)} == {"b", "d"} | (
        {"c"} if runs.attempts(task_id)["c"] > 1 else set()
    )


def test_retries_are_counted_anew(rig: Rig, runs: Again) -> None:
    """A stage whose attempts were used up has all of them again, and their numbers go on."""
    rig.behaviours["a"] = lambda _: AgentError("again")
    task_id = submitted(rig, [stage("a"), stage("b", "a")])
    assert runs.attempts(task_id) == {"a": 3, "b": 1}
    assert [number for _, number in ran(rig)] == [1, 2, 3]
    runs.reruns.rerun(task_id, ["a"], asked())
    rig.drain()
    assert [number for _, number in ran(rig)] == [4, 5, 6]
    assert rig.task(task_id)["status"] == "failed"
    rig.behaviours["a"] = lambda job: AgentError("once") if job.attempt == 7 else echo(job)
    runs.reruns.rerun(task_id, ["a"], asked())
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"


def test_a_lost_worker_costs_an_attempt_of_its_run_only(rig: Rig, runs: Again) -> None:
    """A lease that is lost in a later run is taken over as often as in the first."""
    task_id = submitted(rig, [stage("a", retry={"max_attempts": 2, "backoff_s": 0.01})])
    for _ in range(3):
        runs.reruns.rerun(task_id, ["a"], asked())
        messages = rig.sqs.take_all()
        rig.behaviours["a"] = lambda job: AgentError("fails first")
        rig.engine.run(messages)
        rig.behaviours.clear()
        rig.drain()
        assert rig.task(task_id)["status"] == "completed"
    assert runs.attempts(task_id) == {"a": 7}


def test_messages_of_an_earlier_run_do_nothing(rig: Rig, runs: Again) -> None:
    """What was sent before the task ran again starts no stage a second time."""
    (task_id,) = rig.submit(rig.publish([stage("a"), stage("b", "a")]))
    first = rig.sqs.take_all()
    rig.engine.run(first)
    second = rig.sqs.take_all()
    rig.engine.run(second)
    runs.reruns.rerun(task_id, ["a"], asked())
    jobs = rig.sqs.take_all()
    ran(rig)
    rig.engine.run([*first, *second])
    assert ran(rig) == []
    rig.engine.run(jobs)
    rig.engine.run(second)
    rig.drain()
    assert sorted(ran(rig)) == [("a", 2), ("b", 2)]
    assert rig.task(task_id)["status"] == "completed"


def test_a_result_of_an_earlier_run_is_late(rig: Rig, runs: Again) -> None:
    """A worker that answers after its task was cancelled and resumed changes nothing; the log says `stage.late`."""
    (task_id,) = rig.submit(rig.publish([stage("a")]))

    def interrupted(job: StageJob) -> StageResult:
        if job.attempt == 1:
            tasks(rig).cancel(task_id, by="ann", reason=None)
            runs.reruns.rerun(task_id, ["a"], asked())
        return echo(job)

    rig.behaviours["a"] = interrupted
    rig.step()
    assert (rig.task(task_id)["status"], rig.statuses(task_id)) == ("pending", {"a": "ready"})
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"
    assert [event for event in rig.events(task_id) if "late" in event] == ["stage.late:a"]


def tasks(rig: Rig, live: LiveTasks | None = None) -> Tasks:
    return Tasks(database=rig.database, live=live or rig.live, plans=Plans(rig.database))


def test_the_log_says_who_resumed_and_from_where(rig: Rig, runs: Again) -> None:
    """`task.rerun` tells by whom, why and from which stages; then the log goes on as from the start."""
    task_id = submitted(rig, [stage("a"), stage("b", "a"), stage("c", "b")])
    before = len(rig.events(task_id))
    runs.reruns.rerun(task_id, ["b"], asked("ann"))
    rig.drain()
    assert rig.events(task_id)[before:] == [
        "task.rerun",
        "stage.ready:b",
        "stage.started:b",
        "stage.completed:b",
        "stage.ready:c",
        "stage.started:c",
        "stage.completed:c",
        "task.completed",
    ]
    (resumed,) = (fact for fact in log_store.facts(rig.database, task_id) if fact.event == "task.rerun")
    assert resumed.detail == {"by": "ann", "why": "rerun", "from": ["b"]}


def test_only_a_task_that_has_ended_runs_again(rig: Rig, runs: Again) -> None:
    """An open task is refused and goes on untouched; an unknown one is not found."""
    (task_id,) = rig.submit(rig.publish([stage("a")]))
    with pytest.raises(Conflict, match="pending; only a task that has ended"):
        runs.reruns.rerun(task_id, ["a"], asked())
    assert runs.audit() == []
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"
    with pytest.raises(NotFound):
        runs.reruns.rerun(new_id(), ["a"], asked())


def test_a_stage_that_the_task_does_not_have_is_named(rig: Rig, runs: Again) -> None:
    """Each unknown stage is refused by its place, with those that there are."""
    task_id = submitted(rig, [stage("a"), stage("b", "a")])
    with pytest.raises(InvalidInput) as caught:
        runs.reruns.rerun(task_id, ["a", "x"], asked())
    (fault,) = caught.value.faults
    assert (fault.field, fault.reason) == ("from.1", "there is no stage 'x'; the task has a, b")


@pytest.fixture
def other(redis_client: redis.Redis, database_url: str) -> Iterator[Again]:
    """Give the services on a connection of their own."""
    database = Database(database_url)
    yield again(Rig(database, redis_client), redis_client)
    database.close()


def wait_for_a_lock(watch: Database, call: "Future[Any]") -> None:
    """Return when a session of the test's database waits for another, or `call` has ended."""
    statement = """
        SELECT count(*) AS waiting FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'"""
    while not wait([call], 0.001).done and not watch.run(statement)[0]["waiting"]:
        pass


def test_of_two_resumptions_at_once_one_takes_effect(
    rig: Rig, runs: Again, other: Again, database_url: str
) -> None:
    """Two people who resume a task from different stages at once: one has it done, the other changes nothing."""
    task_id = submitted(rig, DIAMOND)
    (row,) = resumption_store.ended(rig.database, [task_id])
    first = runs.resumptions.anew(row, Resumption.RERUN, by="ann", from_stages=["c"])
    second = other.resumptions.anew(row, Resumption.RERUN, by="bob", from_stages=["b"])
    watch = Database(database_url)
    with ThreadPoolExecutor(1) as pool:
        with rig.database.transaction():
            done = runs.resumptions.resume([first], by="ann")
            late = pool.submit(other.resumptions.resume, [second], by="bob")
            wait_for_a_lock(watch, late)
            assert not late.done()
        assert late.result(20).facts == []
    watch.close()
    assert [fact.event for fact in done.facts] == ["task.rerun"]
    assert rig.statuses(task_id) == {"a": "completed", "b": "completed", "c": "ready", "d": "pending"}


def test_an_end_that_was_not_looked_at_is_not_resumed(rig: Rig, runs: Again) -> None:
    """What was decided by an earlier end of the task changes nothing once it has run and ended again."""
    task_id = submitted(rig, [stage("a"), stage("b", "a")])
    (row,) = resumption_store.ended(rig.database, [task_id])
    old = runs.resumptions.anew(row, Resumption.RERUN, by="ann", from_stages=["b"])
    runs.reruns.rerun(task_id, ["a"], asked())
    rig.drain()
    assert runs.resumptions.resume([old], by="ann").facts == []
    assert rig.task(task_id)["status"] == "completed"


def test_a_deadline_begins_anew(rig: Rig, runs: Again) -> None:
    """A resumed task has its whole time again: its own where it has one, else the template's."""
    stages = [stage("a")]
    own = submitted(rig, stages, constraints={"deadline_s": 1000})
    plain = submitted(rig, stages)
    for task_id, deadline_s in ((own, 1000), (plain, 300)):
        rig.database.run("UPDATE task_histories SET deadline_at = now() - interval '1 day'")
        runs.reruns.rerun(task_id, ["a"], asked())
        (left,) = rig.database.run(
            "SELECT extract(epoch FROM deadline_at - now())::float8 AS s FROM task_histories WHERE id = %(id)s",
            {"id": task_id},
        )
        assert deadline_s - 60 < left["s"] <= deadline_s
        rig.drain()
        assert rig.task(task_id)["status"] == "completed"


def test_an_output_that_is_not_made_anew_stays(rig: Rig, runs: Again) -> None:
    """Where only another branch runs again, the task keeps the output and quality that it had."""
    rig.behaviours["give"] = lambda _: StageResult(output={"answer": 42}, quality=0.5)
    (task_id,) = rig.submit(rig.publish([stage("give"), stage("side")], output="give"))
    rig.drain()
    runs.reruns.rerun(task_id, ["side"], asked())
    rig.drain()
    task = rig.task(task_id)
    assert (task["status"], task["output"], task["quality_score"]) == ("completed", {"answer": 42}, 0.5)


def test_costs_add_up_over_all_runs(rig: Rig, runs: Again) -> None:
    """What every run cost is in the costs of the stage and of the task."""
    rig.behaviours["a"] = costly("0.25", 10)
    task_id = submitted(rig, [stage("a")])
    runs.reruns.rerun(task_id, ["a"], asked())
    rig.drain()
    task = rig.task(task_id)
    assert (float(task["cost_usd"]), task["tokens"]) == (0.5, 20)
    assert (task["stages"][0]["cost_usd"], task["stages"][0]["tokens"]) == ("0.500000", 20)


def test_evidence_of_an_answer_that_is_made_anew_is_gone(rig: Rig, runs: Again) -> None:
    """Sources of the answer of an earlier run are not taken for those of the next."""
    task_id = submitted(rig, [stage("a")])
    insert(rig.database, "evidence", task_id=task_id)
    insert(rig.database, "evidence")
    runs.reruns.rerun(task_id, ["a"], asked())
    assert rig.database.run("SELECT count(*) AS n FROM evidence") == [{"n": 1}]


def sweeping(rig: Rig, client: redis.Redis, stranded_after_s: float) -> Swept:
    return sweep(
        database=rig.database,
        queues=rig.queues,
        live=rig.live,
        open_work=OpenWork(client),
        plans=Plans(rig.database),
        lanes=LANES,
        warn=lambda text, _: rig.warnings.append(text),
        stranded_after_s=stranded_after_s,
    )


def test_a_resumption_outlives_queues_that_are_away(
    rig: Rig, runs: Again, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When SQS takes nothing, the request is done all the same; a sweep that slept wakes and sends the jobs."""
    task_id = submitted(rig, [stage("a")])
    assert [sweeping(rig, redis_client, 60.0).asleep for _ in range(3)] == [False, False, True]
    with monkeypatch.context() as patch:
        patch.setattr(rig.sqs, "send_message_batch", lambda **_: {"Failed": [{"Id": "0"}]})
        runs.reruns.rerun(task_id, ["a"], asked())
    assert rig.warnings == ["queues did not take all jobs; the sweep will send them"]
    assert rig.step() is None
    assert sweeping(rig, redis_client, -1.0) == Swept(asleep=False, sent=1)
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"


def test_without_redis_tasks_run_again(rig: Rig, redis_client: redis.Redis) -> None:
    """When Redis is away, a rerun is done with a warning."""
    away = connect(absent.redis_url())
    task_id = submitted(rig, [stage("a")])
    rig.live = LiveTasks(away)
    again(rig, away).reruns.rerun(task_id, ["a"], asked())
    assert "the live views of resumed tasks were not renewed" in rig.warnings
    rig.engine = rig.new_engine()
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"


def test_nobody_to_tell_is_said_so(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """When neither queues nor the sweep's flag can be reached, the answer is to try again."""
    away = connect(absent.redis_url())
    task_id = submitted(rig, [stage("a")])
    monkeypatch.setattr(rig.sqs, "send_message_batch", lambda **_: {"Failed": [{"Id": "0"}]})
    with pytest.raises(Unavailable, match="nobody can be told"):
        again(rig, away).reruns.rerun(task_id, ["a"], asked())


def test_a_followed_task_that_runs_again_is_followed_on(rig: Rig, runs: Again) -> None:
    """Who saw a task's end, and asks on, sees it resumed and its next end; each event comes once."""
    service = tasks(rig)
    (task_id,) = rig.submit(rig.publish([stage("a")]))
    page = service.events(task_id, after=None, wait_s=0)
    rig.drain()
    page = service.events(task_id, after=page.cursor, wait_s=0)
    assert page.ended
    runs.reruns.rerun(task_id, ["a"], asked())
    page = service.events(task_id, after=page.cursor, wait_s=0)
    assert [event["type"] for event in page.events] == [
        "steersman.task.rerun.v1",
        "steersman.stage.ready.v1",
    ]
    assert not page.ended
    rig.drain()
    page = service.events(task_id, after=page.cursor, wait_s=0)
    assert page.events[-1]["type"] == "steersman.task.completed.v1"
    assert page.ended
    whole = service.events(task_id, after=None, wait_s=0)
    assert [event["id"] for event in whole.events] == [
        f"{task_id}-{fact.id}" for fact in log_store.facts(rig.database, task_id)
    ]


@pytest.mark.parametrize("watched", [True, False], ids=["watched", "no longer watched"])
def test_a_view_of_the_earlier_end_is_not_shown(
    rig: Rig, runs: Again, redis_client: redis.Redis, watched: bool
) -> None:
    """A cached view of an ended task, its events and its end are not taken for those of the task that runs again."""
    service = tasks(rig)
    task_id = submitted(rig, [stage("a")])
    assert service.get(task_id)["status"] == "completed"
    assert service.events(task_id, after=None, wait_s=0).ended
    if not watched:
        redis_client.delete(live.WATCHED)
    runs.reruns.rerun(task_id, ["a"], asked())
    assert service.get(task_id)["status"] == "pending"
    assert not service.events(task_id, after=None, wait_s=0).ended


def test_a_stream_that_missed_the_resumption_learns_of_it(rig: Rig, runs: Again) -> None:
    """Where Redis was away when a task was resumed, its followers are told by the log."""
    service = tasks(rig)
    task_id = submitted(rig, [stage("a")])
    cursor = service.events(task_id, after=None, wait_s=0).cursor
    rig.live, kept = LiveTasks(connect(absent.redis_url())), rig.live
    again(rig, connect(absent.redis_url())).reruns.rerun(task_id, ["a"], asked())
    rig.live = kept
    page = service.events(task_id, after=cursor, wait_s=0)
    assert [event["type"] for event in page.events] == [
        "steersman.task.rerun.v1",
        "steersman.stage.ready.v1",
    ]
    assert not page.ended


def test_without_redis_an_end_before_a_resumption_is_none(rig: Rig, runs: Again) -> None:
    """Who follows a resumed task while Redis is away is told that it goes on."""
    service = tasks(rig, LiveTasks(connect(absent.redis_url())))
    task_id = submitted(rig, [stage("a")])
    assert service.events(task_id, after=None, wait_s=0).ended
    runs.reruns.rerun(task_id, ["a"], asked())
    assert not service.events(task_id, after=None, wait_s=0).ended


@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
def test_who_waits_is_not_answered_by_an_earlier_end(
    rig: Rig, runs: Again, redis_client: redis.Redis, redis_url: str, told: bool
) -> None:
    """A wait for a task that runs again ends with its next end, even where Redis was not told of the resumption."""
    (task_id,) = rig.submit(rig.publish([stage("a")]))
    with connect(redis_url, answer_timeout_s=LONG_POLL_S) as patient:
        service = tasks(rig, LiveTasks(redis_client, patient))
        assert service.get(task_id, wait_s=0.001)["status"] == "pending"
        rig.drain()
        assert redis_client.exists(live._ended_key(task_id))
        if not told:
            rig.live = LiveTasks(connect(absent.redis_url()))
        again(rig, redis_client).reruns.rerun(task_id, ["a"], asked())
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(service.get, task_id, wait_s=25)
            wait_for_a_reader(redis_client)
            rig.live = LiveTasks(redis_client)
            rig.engine = rig.new_engine()
            rig.drain()
            assert waiting.result(20)["status"] == "completed"


def test_an_end_that_is_told_late_is_not_taken_for_a_new_one(rig: Rig, runs: Again) -> None:
    """A worker that tells of the first end after the task was resumed neither ends its stream nor wakes anybody."""
    service = tasks(rig)
    (task_id,) = rig.submit(rig.publish([stage("a")]))
    cursor = service.events(task_id, after=None, wait_s=0).cursor
    slow, rig.live = rig.live, LiveTasks(connect(absent.redis_url()))
    rig.engine = rig.new_engine()
    rig.drain()
    rig.live = slow
    end = log_store.facts(rig.database, task_id)[-1:]
    runs.reruns.rerun(task_id, ["a"], asked())
    rig.live.publish(end)
    assert end[0].event == "task.completed"
    assert not service.events(task_id, after=cursor, wait_s=0).ended
    assert not rig.live.wait_for_end(task_id, 0.001)
