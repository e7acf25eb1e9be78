"""The sweep: what was stranded by a crash is sent again, and tasks past their deadline end."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from steersman.aws.queues import Delivery, StageQueues
from steersman.db.connection import Database
from steersman.errors import Unavailable
from steersman.failpoints import Reach, unarmed
from steersman.tasks import sweep_store, task_store
from steersman.tasks.limits import Limits
from steersman.tasks.live import LiveTasks
from steersman.tasks.open_work import OpenWork
from steersman.tasks.planner import DeadlinePassed, describe
from steersman.tasks.resending import Warn, resend
from steersman.tasks.words import Lane, TaskStatus

LIMIT = 1000


@dataclass(frozen=True)
class Swept:
    """What a sweep did: `asleep` when the flag said that nothing is open and Postgres was left alone.

    `freed` stages waited for places that had become free without a word.
    """

    asleep: bool
    sent: int = 0
    expired: int = 0
    freed: int = 0


def sweep(
    *,
    database: Database,
    queues: StageQueues,
    live: LiveTasks,
    open_work: OpenWork,
    lanes: tuple[Lane, ...],
    warn: Warn,
    stranded_after_s: float,
    limits: Limits | None = None,
    reach: Reach = unarmed,
) -> Swept:
    """Do one sweep; harmless to repeat, and to run twice at once. What has been ready for `stranded_after_s`
    counts as lost. Raise Unavailable when it could not be done."""
    count = 0
    try:
        possible, count = open_work.possible()
        if not possible:
            return Swept(asleep=True)
    except Unavailable as exc:
        warn("the flag of open work cannot be read", {"reason": exc.message})
    rows = _stranded(database, stranded_after_s)
    reach("sweep.found")
    expired = sorted({row["task_id"] for row in rows if row["deadline_passed"]})
    if expired:
        error = describe(DeadlinePassed("the task's deadline has passed"))
        facts = task_store.stop(database, expired, status=TaskStatus.FAILED, errors=[error] * len(expired))
        _quietly(lambda: live.publish(facts), warn)
        reach("sweep.stopped")
    lost = [row for row in rows if not row["deadline_passed"]]
    resend(queues, lost, lanes)
    reach("sweep.sent")
    if lost:
        sweep_store.resent(database, lost)
        _quietly(lambda: live.outdate(sorted({row["task_id"] for row in lost})), warn)
    freed: list[Delivery] = []
    if limits is not None:
        _quietly(lambda: freed.extend(limits.heal()), warn)
        queues.send(freed)
    if not rows and not sweep_store.any_open(database):
        _quietly(lambda: open_work.quiet(count), warn)
    return Swept(asleep=False, sent=len(lost), expired=len(expired), freed=len(freed))


def _stranded(database: Database, older_than_s: float) -> list[dict[str, Any]]:
    """Look through the open tasks, oldest first, window by window, until LIMIT stranded stages are found."""
    found: list[dict[str, Any]] = []
    after: UUID | None = sweep_store.FIRST
    while after is not None and len(found) < LIMIT:
        window = sweep_store.stranded(
            database, older_than_s=older_than_s, limit=LIMIT - len(found), after=after
        )
        found += window.rows
        after = window.next_after
    return found


def _quietly(action: Callable[[], None], warn: Warn) -> None:
    """Renew what Redis holds; it may be away, for readers rebuild what it lacks."""
    try:
        action()
    except Unavailable as exc:
        warn("the cache was not renewed", {"reason": exc.message})
