"""What people ask of tasks: read, list, follow, cancel."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic, sleep
from typing import Any
from uuid import UUID

from steersman.db.connection import Database
from steersman.errors import Conflict, NotFound, Unavailable
from steersman.events import cloudevent
from steersman.http import cursors
from steersman.json import dumps, loads
from steersman.tasks import family_store, log_store, page_store, task_store
from steersman.tasks.live import EventPage, LiveTasks
from steersman.tasks.log_store import Fact
from steersman.tasks.payloads import Payloads
from steersman.tasks.plans import Plans
from steersman.tasks.whole_views import BOTH, Value, whole_page, whole_task
from steersman.tasks.words import TaskStatus

POLL_S = 0.5  # only while Redis is away
LOOK_S = 2.0  # who waits for an end looks for one of which a dying worker, or a Redis that was emptied, told nobody


class Tasks:
    """Reads and changes of tasks for the API.

    `ended` brings the ends of tasks to the stages that started them, `stop` ends the executions of tasks.
    """

    def __init__(
        self,
        *,
        database: Database,
        live: LiveTasks,
        plans: Plans,
        payloads: Payloads | None = None,
        ended: Callable[[Sequence[Fact]], None] = lambda _: None,
        stop: Callable[[Sequence[UUID]], None] = lambda _: None,
        pause: Callable[[float], None] = sleep,
    ):
        self._bring_ends = ended
        self._stop = stop
        self._database = database
        self._live = live
        self._plans = plans
        self._payloads = payloads or Payloads()
        self._pause = pause

    def get(self, task_id: UUID, *, wait_s: float = 0, include: Sequence[Value] = BOTH) -> dict[str, Any]:
        """Return a task with its stages as soon as it has ended, or after `wait_s` as it is then; raise NotFound.

        Large values come whole as `whole_views.whole_task` says; Unavailable is raised where they cannot be read now.
        """
        return whole_task(self._view(task_id, wait_s), self._payloads, include=include)

    def _view(self, task_id: UUID, wait_s: float) -> dict[str, Any]:
        """Return a task with its large values by reference.

        It comes from the live view where that is fresh; but an open task that was waited for, from PostgreSQL.
        """
        until = monotonic() + wait_s
        view: dict[str, Any] | None = None
        version: int | None = None
        with suppress(Unavailable):
            view, version = self._live.view(task_id, only_end=wait_s > 0)
        if view is not None and (wait_s <= 0 or TaskStatus(view["status"]).final):
            return view
        row = self._ended(task_id, until, watched=version is not None)
        body = dumps(self._shown(row))
        if version is not None and wait_s <= 0:  # who waits is served at once, and few come after
            with suppress(Unavailable):
                self._live.keep_view(task_id, body, version, ended=TaskStatus(row["status"]).final)
        shown: dict[str, Any] = loads(body)
        return shown

    def page(
        self,
        project_id: UUID,
        *,
        filters: dict[str, Any],
        cursor: str | None,
        limit: int,
        outputs: bool = False,
    ) -> dict[str, Any]:
        """Return {"tasks", "next_cursor"}, newest first. `filters` and `outputs` as in `page_store.page`."""
        before = cursors.decode_id("tasks", cursor)
        rows, more = page_store.page(
            self._database, project_id, filters=filters, before=before, limit=limit, outputs=outputs
        )
        if outputs:
            whole = whole_page(rows, self._payloads)
            rows, more = whole, more or len(whole) < len(rows)
        return {"tasks": rows, "next_cursor": cursors.encode("tasks", str(rows[-1]["id"])) if more else None}

    def started(
        self, task_id: UUID, stage: str, *, status: str | None, cursor: str | None, limit: int
    ) -> dict[str, Any]:
        """Return {"tasks", "next_cursor"}: the tasks that a stage started, by item; raise NotFound."""
        if all(known["name"] != stage for known in self._found(task_id)["stages"]):
            raise NotFound(f"there is no stage '{stage}' in task {task_id}")
        after = cursors.decode("started", cursor)
        rows = family_store.page(
            self._database,
            task_id,
            stage,
            status=status,
            after=int(after) if after else -1,
            limit=limit + 1,
        )
        more, rows = len(rows) > limit, rows[:limit]
        return {
            "tasks": rows,
            "next_cursor": cursors.encode("started", str(rows[-1]["item"])) if more else None,
        }

    def cancel(self, task_id: UUID, *, by: str, reason: str | None) -> dict[str, Any]:
        """Cancel an open task; harmless to repeat. Raise NotFound, or Conflict when it has ended otherwise.

        Its large values are left out of the answer, which is kept for repeated requests.
        """
        error = {"code": "cancelled", "message": reason or "cancelled on request", "by": by}
        facts = task_store.stop(self._database, [task_id], status=TaskStatus.CANCELLED, errors=[error], by=by)
        if facts:
            with suppress(Unavailable):  # readers rebuild what Redis lacks
                self._live.publish(facts)
            with suppress(Unavailable):  # what waits for these tasks is told by the sweep
                self._bring_ends(facts)
            with suppress(Unavailable):  # the execution ends with its next message
                self._stop([fact.task_id for fact in facts if fact.event == "task.cancelled"])
        row = self._found(task_id)
        if row["status"] != TaskStatus.CANCELLED:
            raise Conflict(f"the task is {row['status']} already; only an open task can be cancelled")
        return whole_task(self._shown(row), self._payloads, include=())

    def events(self, task_id: UUID, *, after: str | None, wait_s: float) -> EventPage:
        """Return the events after a cursor, waiting up to `wait_s` for one; raise NotFound or InvalidInput."""
        try:
            doubtful = not self._live.watch(task_id) or after is None
            page = self._live.read(task_id, after, wait_s=0)
            if page is None:
                self._found(task_id)
                self._live.begin_rebuild(task_id)
                self._live.rebuild(task_id, log_store.facts(self._database, task_id, settled=True))
                page, doubtful = self._live.read(task_id, after, wait_s=wait_s), False
            elif doubtful and self._completed(task_id):
                page = self._live.read(task_id, after, wait_s=0)
            if page is not None and not page.events and not page.ended and wait_s > 0:
                page = self._live.read(task_id, after, wait_s=wait_s)
            if page is not None and (page.ended or not page.events) and self._completed(task_id):
                page = self._live.read(task_id, after, wait_s=0)
            return page or EventPage([], after or "", ended=False)
        except Unavailable:
            return self._events_without_cache(task_id, after, wait_s)

    def _completed(self, task_id: UUID) -> bool:
        """Give a stream the events that it lacks, and say whether it lacked any.

        One may have been lost on its way to Redis. Asked when somebody begins to follow, at silences and at the end, so
        that no follower misses any. A start that may be taken back is left to the worker, who tells of it: in a stream
        it would stand for ever for another event that is missing.
        """
        if self._live.length(task_id) >= log_store.fact_count(self._database, task_id):
            return False
        self._live.rebuild(task_id, log_store.facts(self._database, task_id, settled=True))
        return True

    def _events_without_cache(self, task_id: UUID, after: str | None, wait_s: float) -> EventPage:
        """Poll the log itself. All of it comes again when it grew or ended: `id` tells what is new."""
        self._found(task_id)
        until = monotonic() + wait_s
        known = int(after[3:]) if after and after.startswith("pg.") and after[3:].isdigit() else 0
        while True:
            facts = log_store.facts(self._database, task_id)
            events = [cloudevent.of_fact(fact) for fact in facts]
            ended = log_store.has_ended(facts)
            if len(facts) != known or ended or monotonic() >= until:
                return EventPage(events if len(facts) != known else [], f"pg.{len(facts)}", ended)
            self._pause(POLL_S)

    def _ended(self, task_id: UUID, until: float, *, watched: bool) -> dict[str, Any]:
        """Return a task when it has ended, or at `until` (monotonic) as it is then; raise NotFound."""
        while True:
            self._wait_for_end(task_id, until, watched=watched)
            row = self._found(task_id)
            if monotonic() >= until or TaskStatus(row["status"]).final:
                return row
            with suppress(Unavailable):  # we were told of an end after which the task was resumed
                self._live.forget_end(task_id)

    def _wait_for_end(self, task_id: UUID, until: float, *, watched: bool) -> None:
        """Return when a task has ended, or at `until` (monotonic); raise NotFound.

        Told by Redis while the task is `watched`, which is said before each look: no end falls between look and wait.
        """
        while (left := until - monotonic()) > 0 and not self._has_ended(task_id):
            if not watched:
                self._pause(min(left, POLL_S))
                continue
            try:
                if self._live.wait_for_end(task_id, min(left, LOOK_S)):
                    return
                self._live.watch(task_id, only_end=True)
            except Unavailable:
                watched = False

    def _has_ended(self, task_id: UUID) -> bool:
        status = task_store.status(self._database, task_id)
        if status is None:
            raise NotFound(f"there is no task {task_id}")
        return status.final

    def _found(self, task_id: UUID) -> dict[str, Any]:
        row = task_store.task(self._database, task_id)
        if row is None:
            raise NotFound(f"there is no task {task_id}")
        return row

    def _shown(self, row: dict[str, Any]) -> dict[str, Any]:
        """Add to each stage what it needs, from its template."""
        plan = self._plans.of([row["template_id"]])[row["template_id"]]
        if row["only_stage"]:
            plan = plan.of_item(row["only_stage"])
        undoes = plan.template.undoes
        stages = [
            {
                **shown,
                "needs": list(plan.stage(shown["name"]).needs),
                "kind": plan.stage(shown["name"]).kind,
                "undoes": undoes.get(shown["name"]),
            }
            for shown in row["stages"]
        ]
        hidden = {"template_id", "only_stage"}
        return {**{name: value for name, value in row.items() if name not in hidden}, "stages": stages}
