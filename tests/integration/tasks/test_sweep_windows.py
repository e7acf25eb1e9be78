"""The sweep's patience with what it sent again, and its way through many open tasks."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
import redis

from steersman.ids import first_id_at, new_id
from steersman.tasks import attempt_store, sweep_store
from steersman.tasks import sweep as sweep_module
from steersman.tasks.attempt_store import Lease
from steersman.tasks.sweep_store import FIRST
from tests.fixtures import engine as engine_fixture
from tests.fixtures.engine import Rig, stage
from tests.integration.tasks.test_sweep import Sweeper

PATIENCE_S = 60.0
AGE = "UPDATE task_stages SET ready_at = now() - interval '1 h'"
EXPIRE = "UPDATE task_stages SET lease_expires_at = now() - interval '1 s' WHERE status = 'running'"
OUTLAST = "UPDATE task_stages SET resent_at = resent_at - interval '61 s'"


@pytest.fixture
def patient(rig: Rig, redis_client: redis.Redis) -> Sweeper:
    """A sweep for which a stage is stranded when it was ready, or sent again, a minute ago."""
    made = Sweeper(rig, redis_client)
    made.parts["stranded_after_s"] = PATIENCE_S
    return made


def aged(rig: Rig, names: str = "a", count: int = 1) -> list[UUID]:
    """Accept tasks, a stage for each letter, whose messages were lost an hour ago; return their ids, oldest first."""
    task_ids = rig.submit(rig.publish([*map(stage, names)], output=names[0]), count=count)
    rig.sqs.queues.clear()
    rig.database.run(AGE)
    return sorted(task_ids)


def test_what_was_sent_again_is_left_alone_for_as_long(rig: Rig, patient: Sweeper) -> None:
    """A stage sent again is not sent a third time before its patience is over once more."""
    (task_id,) = aged(rig, "ab")
    assert [patient().sent for _ in range(3)] == [2, 0, 0]
    rig.database.run(OUTLAST)
    assert [patient().sent for _ in range(2)] == [2, 0]
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"
    assert len(rig.agent.jobs) == 2


def test_a_lost_lease_is_not_sent_again_within_its_patience(rig: Rig, patient: Sweeper) -> None:
    """A stage whose worker fell silent is sent once, and again only when that message came to nothing too."""
    (task_id,) = rig.submit(rig.publish([stage("a")]))
    rig.sqs.take_all()
    assert attempt_store.claim(rig.database, [Lease(task_id, "a", 1, task_id)], lease_s=600)
    rig.database.run(EXPIRE)
    assert [patient().sent for _ in range(2)] == [1, 0]
    rig.database.run(OUTLAST)
    assert [patient().sent for _ in range(2)] == [1, 0]
    rig.drain()
    assert [job.attempt for job in rig.agent.jobs] == [2]
    assert rig.task(task_id)["status"] == "completed"


def test_only_what_was_sent_again_is_noted(rig: Rig, patient: Sweeper) -> None:
    """A stage that was not sent again is sent when its own time comes, whatever happened to its neighbours."""
    first, second = aged(rig, count=2)
    rig.database.run("UPDATE task_stages SET ready_at = now() WHERE task_id = %(id)s", {"id": second})
    assert patient().sent == 1
    rig.database.run(AGE)
    assert patient().sent == 1
    rig.drain()
    assert [job.task_id for job in rig.agent.jobs] == [first, second]


def test_a_deadline_is_not_waited_for(rig: Rig, patient: Sweeper) -> None:
    """A task past its deadline ends at the next sweep, though a stage of it was sent again just now."""
    (task_id,) = aged(rig)
    assert patient().sent == 1
    rig.database.run("UPDATE task_histories SET deadline_at = now() - interval '1 s'")
    assert patient().expired == 1
    assert rig.task(task_id)["error"]["code"] == "deadline_passed"


@pytest.mark.parametrize(("count", "sizes"), [(5, [2, 2, 1]), (4, [2, 2, 0]), (0, [0])])
def test_open_tasks_are_looked_through_window_by_window(rig: Rig, count: int, sizes: list[int]) -> None:
    """Each window begins behind the last task of the one before, until no open task is left, and misses none."""
    task_ids = aged(rig, count=count)
    windows, after = [], FIRST
    while after is not None:
        window = sweep_store.stranded(
            rig.database, older_than_s=PATIENCE_S, limit=1000, after=after, window=2
        )
        windows.append([row["task_id"] for row in window.rows])
        after = window.next_after  # type: ignore[assignment]
    assert [len(window) for window in windows] == sizes
    assert sorted(task_id for window in windows for task_id in window) == task_ids


def test_windows_go_on_behind_tasks_that_are_well(rig: Rig) -> None:
    """A window in which nothing is stranded says where the next one begins."""
    *well, lost = aged(rig, count=5)
    rig.database.run("UPDATE task_stages SET ready_at = now() WHERE task_id = ANY(%(ids)s)", {"ids": well})
    look = partial(sweep_store.stranded, rig.database, older_than_s=PATIENCE_S, limit=10, window=2)
    first = look(after=FIRST)
    assert (first.rows, first.next_after) == ([], well[1])
    second = look(after=well[1])
    assert (second.rows, second.next_after) == ([], well[3])
    third = look(after=well[3])
    assert ([row["task_id"] for row in third.rows], third.next_after) == ([lost], None)


def test_a_window_has_all_stages_of_its_tasks_up_to_the_limit(rig: Rig) -> None:
    """The limit is on stages, holds within a window, and ends the search when it is reached."""
    aged(rig, "abc", count=3)
    look = partial(sweep_store.stranded, rig.database, older_than_s=PATIENCE_S, window=2)
    assert [len(look(limit=limit).rows) for limit in (1, 5, 6, 7)] == [1, 5, 6, 6]
    assert [look(limit=limit).next_after is None for limit in (1, 5, 6, 7)] == [True, True, True, False]


def test_a_sweep_walks_many_windows_up_to_its_limit(
    rig: Rig, patient: Sweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep goes through as many windows as it takes to find its limit of stages; the next one finds the rest."""
    task_ids = aged(rig, count=7)
    asked, real = list[int](), sweep_store.stranded

    def look(*given: Any, limit: int, **more: Any) -> sweep_store.Window:
        asked.append(limit)
        return real(*given, limit=limit, window=2, **more)

    monkeypatch.setattr(sweep_store, "stranded", look)
    monkeypatch.setattr(sweep_module, "LIMIT", 5)
    assert patient().sent == 5
    assert asked == [5, 3, 1]
    assert [patient().sent for _ in range(2)] == [2, 0]
    rig.drain()
    assert sorted(job.task_id for job in rig.agent.jobs) == task_ids


def test_a_task_from_a_clock_ahead_is_swept_too(
    rig: Rig, patient: Sweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task whose id was made by a clock that runs ahead is sent again like any other."""
    ahead = first_id_at(datetime.now(UTC) + timedelta(hours=2))
    plan = rig.publish([stage("a")])
    monkeypatch.setattr(engine_fixture, "new_id", lambda: UUID(int=ahead.int | new_id().int & (2**80 - 1)))
    (task_id,) = rig.submit(plan)
    assert task_id > new_id()
    rig.sqs.queues.clear()
    rig.database.run(AGE)
    assert [patient().sent for _ in range(2)] == [1, 0]
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"
