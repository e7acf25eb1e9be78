"""Work that waited for its project's budget of the day goes on: when that was raised, or the day is over."""

from contextlib import suppress
from datetime import datetime
from uuid import UUID

from steersman.aws.queues import StageQueues
from steersman.db.connection import Database
from steersman.errors import Unavailable
from steersman.projects import limits_store
from steersman.tasks import budgets, waiting_store
from steersman.tasks.live import LiveTasks
from steersman.tasks.open_work import OpenWork
from steersman.tasks.resending import Warn, resend
from steersman.tasks.words import Lane

BATCHES = 20  # that one call sends; the next sweep sends what is left


class DayReleases:
    """Sends what waited: for one project as its limits are set, and as a part of the sweep for all.

    The sweep also finds what a worker stopped that did not know of the new budget yet.
    """

    def __init__(
        self,
        *,
        database: Database,
        queues: StageQueues,
        live: LiveTasks,
        open_work: OpenWork,
        lanes: tuple[Lane, ...],
        warn: Warn,
    ) -> None:
        self._database = database
        self._queues = queues
        self._live = live
        self._open_work = open_work
        self._lanes = lanes
        self._warn = warn

    def of_project(self, project_id: UUID) -> int:
        """Let the stages of a project go on, if its budget is not spent now; return how many did.

        The sweep is woken, for what is left and what a queue did not take. Harmless to repeat.
        """
        self._wake_sweep()
        released = sum(self._release(one) for one in self._unspent([project_id]))
        self._wake_sweep()
        return released

    def fire(self) -> int:
        """Let the stages of all projects go on whose budget is not spent now; return how many did."""
        waiting = waiting_store.projects_waiting_for_day(self._database)
        return sum(self._release(project_id) for project_id in self._unspent(waiting))

    def next_due(self) -> datetime | None:
        """Return None: the timers of what waits say when to look next."""
        return None

    def _unspent(self, project_ids: list[UUID]) -> list[UUID]:
        if not project_ids:
            return []
        days = limits_store.days(self._database, project_ids)
        return [day["project_id"] for day in days if budgets.of_day(day) is None]

    def _release(self, project_id: UUID) -> int:
        released = 0
        for _ in range(BATCHES):
            taken, rows = waiting_store.release_day(self._database, project_id)
            released += len(rows)
            with suppress(Unavailable):  # a view that was not outdated is believed for seconds only
                self._live.outdate(sorted({row["task_id"] for row in rows}))
            try:
                resend(self._queues, rows, self._lanes)
            except Unavailable as exc:
                self._warn(
                    "the queues did not take what goes on; the sweep will send it", {"reason": exc.message}
                )
            if taken < waiting_store.RELEASE_BATCH:
                break
        return released

    def _wake_sweep(self) -> None:
        with suppress(Unavailable):  # an emptied Redis means that it looks
            self._open_work.submitted()
