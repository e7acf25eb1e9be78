"""The SQL of the log of tasks: what happened, as the database recorded it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from steersman.db.connection import Database
from steersman.json import loads

ENDS = frozenset({"task.completed", "task.failed", "task.cancelled"})
RERUN = "task.rerun"
# A claim that finds no place, or a pause, is put back at once, and its start is as if it had never been. Until it is
# this old that may still happen.
SETTLED_S = 2.0
_SETTLED = """
    NOT EXISTS (SELECT FROM task_stages s
                WHERE s.task_id = e.task_id AND s.started_id = e.id AND s.status = 'running'
                  AND s.started_at > clock_timestamp() - make_interval(secs => %(settled_s)s))"""


class Fact(NamedTuple):
    """A line of a task's log: what happened, to which stage (None: to the task), as the database recorded it.

    Lines are few and may tell more than one event: `each` tells them apart.
    """

    id: int
    task_id: UUID
    stage: str | None
    event: str
    attempt: int | None
    text: str  # the detail as JSON, which few read
    created_at: datetime
    started_id: int | None = None  # of an attempt that ended: its start's id, and when that was
    started_at: datetime | None = None
    frees: Sequence[str] | None = None  # the stages that became ready by it

    @property
    def detail(self) -> dict[str, Any]:
        """What there is to say of it: an object that the event's kind gives a form."""
        found: dict[str, Any] = loads(self.text)
        return found

    def each(self) -> Iterator["Fact"]:
        """Tell one by one, in order, what this line tells; their ids are those of the view task_events."""
        if self.started_id is not None and self.started_at is not None:
            yield Fact(
                self.started_id,
                self.task_id,
                self.stage,
                "stage.started",
                self.attempt,
                "{}",
                self.started_at,
            )
        yield self._replace(started_id=None, started_at=None, frees=None)
        for place, stage in enumerate(self.frees or (), start=1):
            yield Fact(self.id + place, self.task_id, stage, "stage.ready", 1, "{}", self.created_at)


def facts_of(rows: list[tuple[Any, ...]]) -> list[Fact]:
    """Return log lines, oldest first; the columns of `rows` are those of Fact, in its order."""
    return sorted((Fact(*row) for row in rows), key=lambda fact: fact.id)


def has_ended(log: Sequence[Fact]) -> bool:
    """Say whether a task has ended, of which these are the events in order: one that was resumed since has not."""
    turns = [fact.event for fact in log if fact.event in ENDS or fact.event == RERUN]
    return bool(turns) and turns[-1] != RERUN


def facts(database: Database, task_id: UUID, *, after: int = 0, settled: bool = False) -> list[Fact]:
    """Return the events of a task's log after the one with id `after`, each by itself, oldest first.

    `settled`: without starts that may still be taken back, as `fact_count` counts them.
    """
    statement = f"""
        SELECT id, task_id, stage, event, attempt, detail::text, created_at FROM task_events e
        WHERE task_id = %(task_id)s AND id > %(after)s AND {_SETTLED if settled else "true"}
        ORDER BY id"""  # noqa: S608 - fixed words
    values = {"task_id": task_id, "after": after, "settled_s": SETTLED_S}
    return facts_of(database.tuples(statement, values))


def fact_count(database: Database, task_id: UUID) -> int:
    """Return of how many events a task's log tells, without starts that may still be taken back."""
    statement = f"SELECT count(*) AS events FROM task_events e WHERE task_id = %(task_id)s AND {_SETTLED}"  # noqa: S608 - fixed words
    return int(database.run(statement, {"task_id": task_id, "settled_s": SETTLED_S})[0]["events"])
