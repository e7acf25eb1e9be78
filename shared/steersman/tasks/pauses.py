"""What is stopped for a while: a template or a queue of a project. Workers give such stages back, and they are held."""

from collections.abc import Callable
from time import monotonic

from steersman.db.connection import Database
from steersman.errors import Unavailable
from steersman.tasks import pause_store
from steersman.tasks.attempts import Attempt, Stops

FRESH_S = 3.0  # how long workers may go on with what was just paused


class Pauses:
    """The pauses as a worker knows them: read again when they are no longer fresh."""

    def __init__(self, database: Database, clock: Callable[[], float] = monotonic) -> None:
        self._database = database
        self._clock = clock
        self._until = 0.0
        self._known: frozenset[tuple[int, str, str]] = frozenset()

    def stops(self) -> Stops | None:
        """Return what says of an attempt whether it may not begin now, or None: all may."""
        known = self._fresh()
        if not known:
            return None

        def stops(attempt: Attempt) -> bool:
            project, plan = attempt.job.project_id.int, attempt.plan
            queue = plan.stage(attempt.job.stage).queue
            return (project, "template", plan.template.name) in known or (
                project,
                "queue",
                str(queue),
            ) in known

        return stops

    def forget(self) -> None:
        """Read them anew when next asked: the database knows better."""
        self._until = 0.0

    def _fresh(self) -> frozenset[tuple[int, str, str]]:
        now = self._clock()
        if now >= self._until:
            try:
                self._known = pause_store.known(self._database)
            except Unavailable:
                return (
                    self._known
                )  # what the database does not say now, the claim of it has just said otherwise
            self._until = now + FRESH_S
        return self._known
