"""The sample history of `make bench-scale` in a database, beside what the engine writes for the same tasks."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from bench.scale.course import CAPABILITY, STAGES
from bench.scale.history import Span
from bench.scale.load import copy_span, prepare
from steersman.agents.job import StageJob, StageResult
from steersman.errors import AgentError
from steersman.tasks import log_store, task_store
from tests.fixtures.engine import Rig

TASKS = 400
Rows = list[dict[str, Any]]
# Tasks whose two parallel stages went as they go when they run in one batch.
SAMPLES = """
SELECT t.id, t.status FROM task_histories t
JOIN task_stages e ON e.task_id = t.id AND e.name = 'embedding'
JOIN task_stages w ON w.task_id = t.id AND w.name = 'websearch'
WHERE t.status = %(fate)s AND e.status = 'completed' AND w.status = 'completed' AND e.attempt = 1 AND w.attempt = 1
  AND e.started_at < w.started_at AND w.started_at < e.finished_at AND e.finished_at < w.finished_at
ORDER BY (SELECT sum(attempt) FROM task_stages s WHERE s.task_id = t.id) DESC LIMIT 2
"""
LINES = """
SELECT stage, event, attempt, agent_id IS NOT NULL AS has_agent, started_id < id AS started_before,
       started_at <= created_at AS started, frees, ARRAY(SELECT jsonb_object_keys(detail) ORDER BY 1) AS tells
FROM task_stage_logs WHERE task_id = %(task_id)s AND event <> 'stage.late' ORDER BY id
"""


@pytest.fixture
def loaded(rig: Rig, database_url: str) -> Rig:
    """A rig whose database holds a small history."""
    places = prepare(database_url)
    copy_span(database_url, Span(0, TASKS, TASKS, int(datetime.now(UTC).timestamp() * 1000)), places)
    return rig


def lines(rig: Rig, task_id: UUID) -> Rows:
    return rig.database.run(LINES, {"task_id": task_id})


def stages(rig: Rig, task_id: UUID) -> Rows:
    """Return the stages of a task: what is counted and named as it is, of the rest whether it is there."""
    kept = (
        "name",
        "position",
        "queue",
        "capability",
        "status",
        "pending_needs",
        "attempt",
        "output",
        "error",
    )
    statement = "SELECT * FROM task_stages WHERE task_id = %(task_id)s ORDER BY position"
    found = rig.database.run(statement, {"task_id": task_id})
    as_they_are = kept[:-2]
    return [{key: row[key] if key in as_they_are else row[key] is not None for key in row} for row in found]


class Replay:
    """Agents that do what befell a sample task: fail as often, and end with it as it ended."""

    def __init__(self, rig: Rig, sample: UUID, fate: str) -> None:
        self._rig = rig
        self._fate = fate
        told = lines(rig, sample)
        self._failures = Counter(
            line["stage"] for line in told if line["event"] in ("stage.retrying", "stage.failed")
        )
        running = (line for line in told if line["event"] == "stage.cancelled" and line["started"])
        self._cancelled = {(line["stage"], line["attempt"]) for line in running}

    def run(self, jobs: Sequence[StageJob]) -> list[StageResult | AgentError]:
        return [self._outcome(job) for job in jobs]

    def _outcome(self, job: StageJob) -> StageResult | AgentError:
        if self._fate == "cancelled" and (job.stage, job.attempt) in self._cancelled:
            error = {"code": "cancelled", "message": "cancelled on request", "by": "test"}
            task_store.stop(self._rig.database, [job.task_id], status="cancelled", errors=[error])
        if job.attempt <= self._failures[job.stage]:
            return AgentError("the agent answered 500")
        return StageResult(output={}, quality=0.5)


@pytest.mark.parametrize("fate", ["completed", "failed", "cancelled"])
def test_sample_tasks_are_written_as_the_engine_writes_them(loaded: Rig, fate: str) -> None:
    """A sample task's stages and lines have the form of those that the engine writes when the same befalls a task."""
    samples = loaded.database.run(SAMPLES, {"fate": fate})
    assert samples
    loaded.register(CAPABILITY)
    plan = loaded.publish([{**stage, "capability": CAPABILITY} for stage in STAGES])
    for sample in samples:
        replay = Replay(loaded, sample["id"], fate)
        loaded.agent.run = replay.run  # type: ignore[method-assign]
        (task_id,) = loaded.submit(plan)
        loaded.drain(batch=1)
        assert lines(loaded, task_id) == lines(loaded, sample["id"])
        assert stages(loaded, task_id) == stages(loaded, sample["id"])


def test_the_view_tells_the_history_in_order(loaded: Rig) -> None:
    """Every event of a sample task has its own id, and their order is that of their times."""
    (sample, *_) = loaded.database.run(SAMPLES, {"fate": "completed"})
    facts = log_store.facts(loaded.database, sample["id"])
    assert len({fact.id for fact in facts}) == len(facts)
    assert [fact.created_at for fact in facts] == sorted(fact.created_at for fact in facts)
    events = Counter(fact.event for fact in facts)
    assert events["stage.started"] == events["stage.completed"] + events["stage.retrying"]
    assert events["stage.ready"] == len(STAGES)
