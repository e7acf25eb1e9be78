"""The sweep: what was stranded by a crash is sent again, and tasks past their deadline end."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from steersman.aws.queues import StageQueues
from steersman.db.connection import Database
from steersman.errors import Unavailable
from steersman.failpoints import Reach, unarmed
from steersman.tasks import family_store, sweep_store, unsent_store, waiting_store
from steersman.tasks.expiring import expire
from steersman.tasks.families import Families
from steersman.tasks.live import LiveTasks
from steersman.tasks.open_work import OpenWork
from steersman.tasks.plans import Plans
from steersman.tasks.resending import Warn, resend
from steersman.tasks.words import Lane

LIMIT = 1000
TIMERS = 10_000  # whose time comes in the same minute: in the next one they would be late


@dataclass(frozen=True)
class Swept:
    """What a sweep did: `asleep` when the flag said that nothing is open and Postgres was left alone."""

    asleep: bool
    sent: int = 0
    expired: int = 0


def sweep(
    *,
    database: Database,
    queues: StageQueues,
    live: LiveTasks,
    open_work: OpenWork,
    plans: Plans,
    lanes: tuple[Lane, ...],
    warn: Warn,
    stranded_after_s: float,
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
    timers = waiting_store.due_timers(database, limit=TIMERS)
    reach("sweep.found")
    families = Families(database=database, queues=queues, plans=plans, lanes=lanes, publish=live.publish)
    expired = sorted({row["task_id"] for row in (*rows, *timers) if row["deadline_passed"]})
    if expired:
        facts = expire(database, plans, expired)
        _quietly(lambda: live.publish(facts), warn)
        undoing = [fact.task_id for fact in facts if fact.frees]
        resend(queues, unsent_store.ready_stages(database, undoing), lanes)
        families.ended(facts)
        reach("sweep.stopped")
    families.wake(family_store.untold(database, older_than_s=stranded_after_s, limit=TIMERS))
    lost = [row for row in rows if not row["deadline_passed"]]
    resend(queues, [*lost, *(row for row in timers if not row["deadline_passed"])], lanes)
    reach("sweep.sent")
    if lost:
        sweep_store.resent(database, lost)
        _quietly(lambda: live.outdate(sorted({row["task_id"] for row in lost})), warn)
    if not rows and not timers and not sweep_store.any_open(database):
        _quietly(lambda: open_work.quiet(count), warn)
    return Swept(asleep=False, sent=len(lost), expired=len(expired))


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
