"""The engine on a real database: what each way of a stage leads to."""

import threading

import pytest

from steersman.agents.job import StageJob, StageResult
from steersman.db.connection import Database
from steersman.errors import AgentError, AgentRefused
from steersman.tasks import attempt_store, task_store
from tests.fixtures.engine import Rig, costly, stage

DIAMOND = [stage("a"), stage("b", "a"), stage("c", "a"), stage("d", "b", "c")]


def fails(job: StageJob) -> AgentError:
    return AgentError("boom")


def refuses(job: StageJob) -> AgentError:
    return AgentRefused("never")


def test_diamond_completes_with_the_last_stages_output(rig: Rig) -> None:
    """A DAG runs every stage once, in the order of its needs, and ends with its output stage's result."""
    (task_id,) = rig.submit(rig.publish(DIAMOND))
    rig.drain()
    task = rig.task(task_id)
    assert task["status"] == "completed"
    assert task["output"] == {"stage": "d"}
    assert rig.statuses(task_id) == dict.fromkeys("abcd", "completed")
    assert sorted(job.stage for job in rig.agent.jobs) == list("abcd")
    assert [job.stage for job in rig.agent.jobs][-1] == "d"


def test_a_stage_sees_its_ancestors_results_only(rig: Rig) -> None:
    """A job carries the results of all ancestors and of no other stage."""
    rig.submit(rig.publish([stage("a"), stage("b"), stage("c", "a"), stage("d", "c", "b")]))
    rig.drain()
    seen = {job.stage: set(job.results) for job in rig.agent.jobs}
    assert seen == {"a": set(), "b": set(), "c": {"a"}, "d": {"a", "b", "c"}}


def test_events_tell_the_whole_way(rig: Rig) -> None:
    """Every transition is in the log, in order, from submission to completion."""
    (task_id,) = rig.submit(rig.publish([stage("a"), stage("b", "a")]))
    rig.drain()
    assert rig.events(task_id) == [
        "task.submitted",
        "stage.ready:a",
        "stage.started:a",
        "stage.completed:a",
        "stage.ready:b",
        "stage.started:b",
        "stage.completed:b",
        "task.completed",
    ]


def test_a_failing_stage_is_tried_again_then_fails_the_task(rig: Rig) -> None:
    """After max_attempts failures the stage and its task fail, the rest is cancelled, and a dead letter tells why."""
    rig.behaviours["b"] = fails
    (task_id,) = rig.submit(rig.publish([*DIAMOND]))
    rig.drain()
    task = rig.task(task_id)
    assert task["status"] == "failed"
    assert task["error"]["stage"] == "b"
    assert task["error"]["code"] == "agent_error"
    assert rig.statuses(task_id)["d"] == "cancelled"
    assert [job.attempt for job in rig.agent.jobs if job.stage == "b"] == [1, 2, 3]
    (letter,) = rig.sqs.take(10, dead=True)
    assert str(task_id) in letter.body
    assert "boom" in letter.body


def test_retrying_is_visible_between_attempts(rig: Rig) -> None:
    """A task whose stage waits for its next attempt says `retrying`, and runs again when it is claimed."""
    rig.behaviours["a"] = lambda job: fails(job) if job.attempt == 1 else StageResult(output={})
    (task_id,) = rig.submit(rig.publish([stage("a")]))
    rig.step()
    assert rig.task(task_id)["status"] == "retrying"
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"


def test_a_refusal_is_not_tried_again(rig: Rig) -> None:
    """An error that cannot be helped by trying again ends the stage at its first attempt."""
    rig.behaviours["a"] = refuses
    (task_id,) = rig.submit(rig.publish([stage("a")]))
    rig.drain()
    assert rig.task(task_id)["status"] == "failed"
    assert len(rig.agent.jobs) == 1


def test_on_error_skip_goes_on_without_a_result(rig: Rig) -> None:
    """A stage with on_error skip lets its dependants run with null in place of its result."""
    rig.behaviours["b"] = refuses
    stages = [stage("a"), stage("b", "a", on_error="skip"), stage("c", "b")]
    (task_id,) = rig.submit(rig.publish(stages))
    rig.drain()
    assert rig.statuses(task_id) == {"a": "completed", "b": "skipped", "c": "completed"}
    assert rig.agent.jobs[-1].results == {"a": {"stage": "a"}, "b": None}


def test_on_error_fallback_gives_the_templates_output(rig: Rig) -> None:
    """A stage with on_error fallback completes with the fallback of its template, and keeps the reason."""
    rig.behaviours["a"] = refuses
    (task_id,) = rig.submit(rig.publish([stage("a", on_error="fallback", fallback={"safe": 1})]))
    rig.drain()
    task = rig.task(task_id)
    assert (task["status"], task["output"]) == ("completed", {"safe": 1})
    assert task["stages"][0]["error"]["code"] == "agent_refused"


def test_a_failing_task_tries_nothing_again(rig: Rig) -> None:
    """When a stage fails its task in the batch that has another's retry, that one is cancelled, not left ready."""
    rig.behaviours |= {"a": refuses, "b": fails}
    (task_id,) = rig.submit(rig.publish([stage("a"), stage("b"), stage("c", "a", "b")]))
    rig.step()
    assert rig.statuses(task_id) == {"a": "failed", "b": "cancelled", "c": "cancelled"}
    assert "stage.cancelled:b" in rig.events(task_id)
    assert rig.sqs.take_all() == []


def test_when_skips_without_calling_an_agent(rig: Rig) -> None:
    """A stage whose `when` is falsy is skipped, calls no agent and releases what needs it."""
    stages = [stage("a"), stage("b", "a", when="results.a.go"), stage("c", "b")]
    (task_id,) = rig.submit(rig.publish(stages))
    rig.drain()
    assert rig.statuses(task_id) == {"a": "completed", "b": "skipped", "c": "completed"}
    assert [job.stage for job in rig.agent.jobs] == ["a", "c"]


def test_a_result_that_breaks_the_schema_is_a_failure_that_names_the_field(rig: Rig) -> None:
    """A result is held to output_schema; what does not match is tried again and named in the error."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    rig.behaviours["a"] = lambda job: StageResult(output={"n": "x"})
    (task_id,) = rig.submit(rig.publish([stage("a", output_schema=schema)]))
    rig.drain()
    error = rig.task(task_id)["error"]
    assert error["code"] == "invalid_result"
    assert error["faults"][0]["field"] == "output.n"


def test_a_slow_agent_times_out(rig: Rig) -> None:
    """An attempt that outlives timeout_s fails with stage_timeout, whatever the agent does afterwards."""
    release = threading.Event()

    def hang(job: StageJob) -> StageResult:
        release.wait(30)
        return StageResult(output={})

    rig.behaviours["a"] = hang
    (task_id,) = rig.submit(rig.publish([stage("a", timeout_s=0.1, retry={"max_attempts": 1})]))
    rig.drain()
    release.set()
    assert rig.task(task_id)["error"]["code"] == "stage_timeout"


def test_an_agent_that_raises_fails_its_jobs_only(rig: Rig) -> None:
    """Whatever an agent raises becomes its jobs' failure; the batch and other tasks go on."""

    def explode(job: StageJob) -> StageResult:
        raise ZeroDivisionError

    rig.behaviours["bad"] = explode
    (bad,) = rig.submit(rig.publish([stage("bad", retry={"max_attempts": 1}, timeout_s=5)]))
    (good,) = rig.submit(rig.publish([stage("good")], name="other"))
    rig.drain()
    assert rig.task(bad)["status"] == "failed"
    assert "ZeroDivisionError" in rig.task(bad)["error"]["message"]
    assert rig.task(good)["status"] == "completed"


def test_without_an_agent_the_error_names_the_capability(rig: Rig) -> None:
    """A capability that no active agent has fails the stage with no_agent and its name."""
    (task_id,) = rig.submit(rig.publish([stage("a", capability="nobody.can")]))
    rig.drain()
    assert rig.task(task_id)["error"]["code"] == "no_agent"
    assert "nobody.can" in rig.task(task_id)["error"]["message"]


def test_every_message_twice_counts_once(rig: Rig) -> None:
    """Redelivered, duplicated and late messages change nothing: each stage runs once and its result counts once."""
    (task_id,) = rig.submit(rig.publish(DIAMOND))
    for _ in range(100):
        messages = rig.sqs.take(10)
        if not messages:
            break
        rig.engine.run(messages)
        rig.engine.run(messages)
    assert rig.task(task_id)["status"] == "completed"
    assert sorted(job.stage for job in rig.agent.jobs) == list("abcd")
    assert sum(event == "task.completed" for event in rig.events(task_id)) == 1


def test_a_crash_after_commit_loses_nothing(rig: Rig) -> None:
    """When a worker dies between storing results and sending what follows, the redelivered message sends it."""
    (task_id,) = rig.submit(rig.publish([stage("a"), stage("b", "a")]))
    messages = rig.sqs.take(10)
    rig.engine.run(messages)
    rig.sqs.queues.clear()  # what was sent is lost
    rig.engine.run(messages)
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"


def test_a_lost_lease_is_taken_over_and_the_late_result_ignored(rig: Rig, database: Database) -> None:
    """When a lease runs out another worker runs the stage as a new attempt; the first one's result is only logged."""
    (task_id,) = rig.submit(rig.publish([stage("a")]))
    messages = rig.sqs.take(10)

    def crash_then_finish(job: StageJob) -> StageResult:
        if job.attempt == 1:
            database.run("UPDATE task_stages SET lease_expires_at = now() - interval '1 s'")
            rig.new_engine().run(messages)
            return StageResult(output={"from": "the late one"})
        return StageResult(output={"from": "the second"})

    rig.behaviours["a"] = crash_then_finish
    rig.engine.run(messages)
    task = rig.task(task_id)
    assert task["output"] == {"from": "the second"}
    assert "stage.late:a" in rig.events(task_id)


def test_a_lease_lost_too_often_fails_the_stage(rig: Rig, database: Database) -> None:
    """A job that kills its workers ends as failed with lease_lost after max_attempts, and does not go on forever."""
    (task_id,) = rig.submit(rig.publish([stage("a", retry={"max_attempts": 2})]))
    messages = rig.sqs.take(10)
    row = {"task_id": task_id, "stage": "a"}
    for _ in range(2):
        leases = [attempt_store.Lease(**row, attempt=1, lease_id=task_id.__class__(int=_ + 1))]
        attempt_store.claim(database, leases, lease_s=600)
        database.run("UPDATE task_stages SET lease_expires_at = now() - interval '1 s'")
    rig.engine.run(messages)
    assert rig.task(task_id)["error"]["code"] == "lease_lost"
    assert not rig.agent.jobs


def test_cancel_stops_everything(rig: Rig) -> None:
    """A cancelled task starts no further stage; work in hand is recorded as late and changes nothing."""

    def cancel_meanwhile(job: StageJob) -> StageResult:
        task_store.stop(rig.database, [job.task_id], status="cancelled", errors=[None])
        return StageResult(output={"late": True})

    rig.behaviours["a"] = cancel_meanwhile
    (task_id,) = rig.submit(rig.publish([stage("a"), stage("b", "a")]))
    rig.drain()
    task = rig.task(task_id)
    assert (task["status"], task["output"]) == ("cancelled", None)
    assert set(rig.statuses(task_id).values()) == {"cancelled"}
    assert rig.events(task_id)[-1] == "stage.late:a"


def test_a_deadline_ends_the_task_at_its_next_stage(rig: Rig, database: Database) -> None:
    """A task past its deadline starts no agent: it fails with deadline_passed."""
    (task_id,) = rig.submit(rig.publish([stage("a")]))
    database.run("UPDATE task_histories SET deadline_at = now() - interval '1 s'")
    rig.drain()
    assert rig.task(task_id)["error"]["code"] == "deadline_passed"
    assert not rig.agent.jobs


def test_a_spent_budget_stops_the_task(rig: Rig) -> None:
    """When the cost has reached constraints.budget_usd, no further stage starts, and the task waits and says so."""
    rig.behaviours["a"] = costly("0.50", tokens=7)
    (task_id,) = rig.submit(rig.publish([stage("a"), stage("b", "a")]), constraints={"budget_usd": "0.40"})
    rig.drain()
    task = rig.task(task_id)
    assert (task["status"], rig.statuses(task_id)) == ("awaiting", {"a": "completed", "b": "awaiting"})
    assert task["stages"][1]["error"]["code"] == "budget_spent"
    assert (task["cost_usd"], task["tokens"]) == (pytest.approx(0.5), 7)


def test_two_sinks_end_the_task_together(rig: Rig) -> None:
    """A task with several last stages completes when the last of them ends, with the output stage's result."""
    (task_id,) = rig.submit(rig.publish([stage("a"), stage("b", "a"), stage("c", "a")], output="c"))
    rig.step()
    rig.step(batch=1)
    assert rig.task(task_id)["status"] == "running"
    rig.drain()
    assert rig.task(task_id)["output"] == {"stage": "c"}
    assert rig.task(task_id)["status"] == "completed"


@pytest.mark.parametrize("size", [1, 100])
def test_round_trips_do_not_grow_with_the_batch(rig: Rig, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of 100 jobs costs the same number of SQL statements, SQS calls and Redis pipelines as one of 1."""
    plan = rig.publish([stage("warm"), stage("next", "warm")])
    rig.submit(plan)
    rig.drain()
    rig.submit(plan, count=size)
    messages = rig.sqs.take(100)
    counted = {"sql": 0, "redis": 0}
    run, publish = rig.database._tried, rig.live.publish
    monkeypatch.setattr(
        rig.database,
        "_tried",
        lambda *a, **k: (counted.__setitem__("sql", counted["sql"] + 1), run(*a, **k))[1],
    )
    monkeypatch.setattr(
        rig.live,
        "publish",
        lambda facts: (counted.__setitem__("redis", counted["redis"] + 1), publish(facts))[1],
    )
    before = rig.sqs.calls
    report = rig.engine.run(messages)
    assert report.counts["completed"] == size
    assert counted == {"sql": 2, "redis": 1}
    assert rig.sqs.calls - before == 1


def test_workers_in_parallel_finish_every_task_exactly_once(rig: Rig, database_url: str) -> None:
    """Concurrent workers on overlapping tasks, with duplicates, neither lose a release nor run a stage twice."""
    task_ids = rig.submit(rig.publish(DIAMOND), count=60)
    lock = threading.Lock()

    def work() -> None:
        own = Database(database_url)
        engine = rig.new_engine(own)
        idle = 0
        while idle < 200:
            with lock:
                messages = rig.sqs.take(7)
            if messages:
                idle = 0
                engine.run(messages)
                engine.run(messages[:2])
            else:
                idle += 1
                open_tasks = own.run("SELECT count(*) AS n FROM task_histories WHERE status <> 'completed'")
                if open_tasks[0]["n"] == 0:
                    break
        own.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert {rig.task(task_id)["status"] for task_id in task_ids} == {"completed"}
    assert len(rig.agent.jobs) == 4 * len(task_ids)
    rows = rig.database.run("SELECT event, count(*) AS n FROM task_events GROUP BY event")
    counts = {row["event"]: row["n"] for row in rows}
    assert counts["task.completed"] == len(task_ids)
    assert counts["stage.completed"] == counts["stage.ready"] == 4 * len(task_ids)
