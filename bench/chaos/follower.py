"""A follower: asks the API's handler for the events of several tasks in turn, by their cursors, until their end."""

import random
import threading
from collections.abc import Callable

from bench.chaos.follows import GIVEN_UP, OpenFollow, left_open
from bench.chaos.http_events import answer_of, request
from bench.chaos.journal import Journal
from bench.chaos.run_folder import Run
from functions.api.events import handler
from steersman.db.connection import Database
from steersman.errors import Unavailable

AT_ONCE = 4
NEWEST = 40  # the youngest open tasks, of which some are followed: these still have most of their events before them
PAUSE_S = 0.2
_WAITS_S = (1.0, 1.5, 2.0)
_GOES_ON = 0.5
_ROUTE = "/v1/tasks/{task_id}/events"


class Follower:
    """Follows open tasks one after the other; begins anew, or goes on where its place's last life was, by the seed."""

    def __init__(self, run: Run, name: str, place: int, *, calm: bool) -> None:
        path = run.journal(f"follower-{place}")
        self._name = name
        self._calm = calm
        self._rng = random.Random(f"{run.seed}:follows:{name}")  # noqa: S311 - to be repeated, not to be secret
        self._database = Database(run.database_url)
        before = left_open(path)
        self._journal = Journal(path)
        goes_on = calm or self._rng.random() < _GOES_ON
        self._open = before if goes_on else []
        self._journal.write(
            *([] if goes_on else [GIVEN_UP]), *(follow.taken_up(calm=calm) for follow in self._open)
        )
        self._begun = 0

    def work(self, wanted: Callable[[], bool]) -> None:
        """Follow on; in the calm until no task is open and every end was told."""
        pause = threading.Event()
        while wanted():
            self._begin_more()
            if not self._open and self._calm:
                return
            if not self._open:
                pause.wait(PAUSE_S)
            for follow in list(self._open):
                if wanted() and not self._ask(follow):
                    pause.wait(PAUSE_S)

    def _begin_more(self) -> None:
        """Begin with open tasks that are not followed here, up to `AT_ONCE`."""
        free = AT_ONCE - len(self._open)
        if free <= 0:
            return
        followed = {follow.task_id for follow in self._open}
        others = [task_id for task_id in self._open_tasks() if task_id not in followed]
        for task_id in self._rng.sample(others, min(free, len(others))):
            self._begun += 1
            follow = OpenFollow(f"{self._name}-{self._begun}", task_id)
            self._journal.write(follow.taken_up(calm=self._calm))
            self._open.append(follow)

    def _open_tasks(self) -> list[str]:
        statement = "SELECT id FROM task_histories WHERE finished_at IS NULL ORDER BY id DESC LIMIT %(most)s"
        try:
            return [str(row["id"]) for row in self._database.run(statement, {"most": NEWEST})]
        except Unavailable:
            return []  # it is just being restarted

    def _ask(self, follow: OpenFollow) -> bool:
        """Ask for what is new of a task, and say whether that was answered."""
        query = {"wait_s": f"{self._rng.choice(_WAITS_S):g}"}
        if follow.cursor is not None:
            query["after"] = follow.cursor
        path = _ROUTE.format(task_id=follow.task_id)
        parameters = {"task_id": follow.task_id}
        event = request("GET", path, route=_ROUTE, parameters=parameters, query=query)
        status, body = answer_of(handler(event, None))
        self._journal.write(follow.answered(status, body))
        if status not in {200, 503}:
            raise RuntimeError(f"GET {path} after {follow.cursor} was answered with {status}: {body}")
        if status == 200:
            follow.cursor = body["cursor"]
            if body["ended"]:
                self._open.remove(follow)
        return status == 200
