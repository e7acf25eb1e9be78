"""Results that the database does not take, or takes without saying so."""

from collections.abc import Mapping
from typing import Any

import psycopg
import pytest

from steersman.agents.job import StageJob, StageResult
from steersman.agents.registry import Registry
from steersman.db import connection
from steersman.db.connection import Database
from steersman.db.statements import Statement
from steersman.errors import AgentError, Unavailable
from steersman.json import loads
from steersman.tasks import named_sql
from steersman.tasks.engine import PATIENCE_S, Engine
from steersman.tasks.plans import Plans
from tests.fixtures.engine import LANES, Rig, stage

EXPIRE = "UPDATE task_stages SET lease_expires_at = now() - interval '1 s' WHERE status = 'running'"


class Troubled(Database):
    """A database that is away the first `away` times that results come, and loses the answers numbered `lost`."""

    def __init__(self, url: str, *, away: int = 0, lost: tuple[int, ...] = ()) -> None:
        super().__init__(url)
        self.away = away
        self.lost = lost
        self.answers = 0

    def tuples(
        self,
        statement: str | Statement,
        parameters: Mapping[str, Any] | None = None,
        *,
        repeatable: bool = False,
    ) -> list[tuple[Any, ...]]:
        if self.away:
            self.away -= 1
            raise Unavailable("the database is away")
        rows = super().tuples(statement, parameters, repeatable=repeatable)
        self.answers += 1
        if self.answers in self.lost:
            raise Unavailable("the connection broke after the commit")
        return rows


class Patient:
    """An engine on a database with trouble, and the waits that it made."""

    def __init__(self, rig: Rig, database: Database) -> None:
        self.waits: list[float] = []
        self.engine = Engine(
            database=database,
            queues=rig.queues,
            live=rig.live,
            registry=Registry(database, lambda _: rig.agent),
            plans=Plans(database),
            lanes=LANES,
            warn=lambda text, _: rig.warnings.append(text),
            sleep=self.waits.append,
        )


def fails(_: StageJob) -> AgentError:
    return AgentError("boom")


@pytest.mark.parametrize("away", range(len(PATIENCE_S) + 1))
def test_results_wait_for_a_database_that_is_away(rig: Rig, database_url: str, away: int) -> None:
    """A result is stored, once, when the database comes back within the engine's patience."""
    database = Troubled(database_url, away=away)
    patient = Patient(rig, database)
    (task_id,) = rig.submit(rig.publish([stage("a"), stage("b", "a")]))
    report = patient.engine.run(rig.sqs.take(10))
    database.close()
    assert patient.waits == list(PATIENCE_S[:away])
    assert rig.warnings == ["results were not stored yet"] * away
    assert (report.failed_messages, report.counts) == ([], {"claimed": 1, "completed": 1})
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"
    assert [job.stage for job in rig.agent.jobs] == ["a", "b"]
    assert rig.events(task_id).count("stage.completed:a") == 1


def test_a_database_that_stays_away_fails_the_batch(rig: Rig, database_url: str) -> None:
    """After the last wait the batch is Unavailable, and the stage runs again once its lease is over."""
    database = Troubled(database_url, away=len(PATIENCE_S) + 1)
    patient = Patient(rig, database)
    (task_id,) = rig.submit(rig.publish([stage("a")]))
    messages = rig.sqs.take(10)
    with pytest.raises(Unavailable):
        patient.engine.run(messages)
    database.close()
    assert patient.waits == list(PATIENCE_S)
    assert rig.statuses(task_id) == {"a": "running"}
    assert rig.engine.run(messages).counts == {"busy": 1}
    rig.database.run(EXPIRE)
    assert rig.engine.run(messages).counts == {"claimed": 1, "completed": 1}
    assert [job.attempt for job in rig.agent.jobs] == [1, 2]
    assert rig.task(task_id)["status"] == "completed"


def test_a_result_whose_answer_was_lost_sends_what_follows(rig: Rig, database_url: str) -> None:
    """When a result took effect but the answer did not come, its followers are sent, and nothing is logged late."""
    database = Troubled(database_url, lost=(1,))
    patient = Patient(rig, database)
    (task_id,) = rig.submit(rig.publish([stage("a"), stage("b", "a"), stage("c", "a")], output="b"))
    report = patient.engine.run(rig.sqs.take(10))
    database.close()
    assert patient.waits == [PATIENCE_S[0]]
    assert report.failed_messages == []
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"
    assert sorted(job.stage for job in rig.agent.jobs) == ["a", "b", "c"]
    assert [event for event in rig.events(task_id) if event.endswith(":a")] == [
        "stage.ready:a",
        "stage.started:a",
        "stage.completed:a",
    ]


def test_a_connection_cut_after_the_commit_sends_what_follows(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the connection breaks behind the commit, the result is given again over a new one and found stored."""
    (task_id,) = rig.submit(rig.publish([stage("a"), stage("b", "a")]))
    real, cut = connection._rows, list[bool]()

    def cutting(opened: Any, statement: Any, parameters: Any, rows: Any) -> list[Any]:
        found = real(opened, statement, parameters, rows)
        if statement == named_sql.sql("complete") and not cut:
            cut.append(True)
            opened.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return found

    monkeypatch.setattr(connection, "_rows", cutting)
    report = rig.step()
    assert cut
    assert report is not None
    assert report.failed_messages == []
    rig.drain()
    assert rig.warnings == []
    assert rig.task(task_id)["status"] == "completed"
    assert [job.stage for job in rig.agent.jobs] == ["a", "b"]
    assert not [event for event in rig.events(task_id) if event.startswith("stage.late")]


def test_a_retry_whose_answer_was_lost_is_sent(rig: Rig, database_url: str) -> None:
    """When a failure was stored but the answer did not come, the next attempt is sent, with its delay."""
    rig.behaviours["a"] = lambda job: fails(job) if job.attempt == 1 else StageResult(output={})
    database = Troubled(database_url, lost=(1,))
    retry = {"max_attempts": 2, "backoff_s": 60}
    (task_id,) = rig.submit(rig.publish([stage("a", retry=retry)]))
    Patient(rig, database).engine.run(rig.sqs.take(10))
    database.close()
    (entry,) = rig.sqs.queues["mem://executor-standard"]
    assert loads(entry["MessageBody"]) == {"jobs": [[str(task_id), "a", 2]]}
    assert 0 < entry["DelaySeconds"] <= 120
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"


@pytest.mark.parametrize("lost", [(1,), (2,), (1, 2), (1, 2, 3)])
def test_answers_lost_in_a_batch_that_also_fails_tasks_lose_nothing(
    rig: Rig, database_url: str, lost: tuple[int, ...]
) -> None:
    """Whichever of the answers to a batch's results are lost, followers are sent and dead letters are written."""
    rig.behaviours["bad"] = fails
    (good,) = rig.submit(rig.publish([stage("a"), stage("b", "a")]))
    (bad,) = rig.submit(rig.publish([stage("bad", retry={"max_attempts": 1}), stage("x", "bad")], name="bad"))
    database = Troubled(database_url, lost=lost)
    report = Patient(rig, database).engine.run(rig.sqs.take_all())
    database.close()
    assert report.failed_messages == []
    rig.drain()
    assert (rig.task(good)["status"], rig.task(bad)["status"]) == ("completed", "failed")
    letters = [loads(message.body) for message in rig.sqs.take(10, dead=True)]
    assert [(letter["task_id"], letter["stage"]) for letter in letters] == [(str(bad), "bad")]
    for task_id in (good, bad):
        told = rig.events(task_id)
        assert len(told) == len(set(told))
        assert not [event for event in told if event.startswith("stage.late")]
