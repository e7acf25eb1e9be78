"""The sweep: what the clock makes due is done, what was stranded by a crash is sent again, late tasks end."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from steersman.aws.queues import Delivery, StageQueues
from steersman.db.connection import Database
from steersman.errors import Unavailable
from steersman.failpoints import Reach, unarmed
from steersman.tasks import sweep_store, unsent_store, waiting_store
from steersman.tasks.expiring import expire
from steersman.tasks.families import Families
from steersman.tasks.limits import Limits
from steersman.tasks.live import LiveTasks
from steersman.tasks.open_work import OpenWork
from steersman.tasks.orchestration import Orchestration
from steersman.tasks.plans import Plans
from steersman.tasks.resending import Warn, resend
from steersman.tasks.words import Lane

LIMIT = 1000
TIMERS = 10_000  # whose time comes in the same minute: in the next one they would be late


class Clockwork(Protocol):
    """Work that comes due by the clock alone, such as schedules. Doing it twice at once does no harm."""

    def fire(self) -> int:
        """Do what is due, so that it is due no more; return how many. Raise Unavailable when not all was done."""

    def next_due(self) -> datetime | None:
        """Return when something is due next, by the database's clock, or None when nothing will be."""


@dataclass(frozen=True)
class Swept:
    """What a sweep did: `asleep` when the flag said that nothing is open or due and Postgres was left alone.

    `freed` stages waited for places that had become free without a word.
    """

    asleep: bool
    sent: int = 0
    expired: int = 0
    fired: int = 0
    freed: int = 0


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
    clockworks: Callable[[], Sequence[Clockwork]] = tuple,
    limits: Limits | None = None,
    orchestration: Orchestration | None = None,
    reach: Reach = unarmed,
) -> Swept:
    """Do one sweep; harmless to repeat, and to run twice at once. What has been ready for `stranded_after_s`
    counts as lost. `clockworks` are asked for only where Postgres is. Raise Unavailable when it could not be done."""
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
        if orchestration is not None:
            _quietly(lambda: orchestration.ended(facts), warn)
        reach("sweep.stopped")
    lost = [row for row in rows if not row["deadline_passed"]]
    _send(database, queues, lost, [row for row in timers if not row["deadline_passed"]], lanes)
    told = families.wake_untold(older_than_s=stranded_after_s, limit=LIMIT)
    reach("sweep.sent")
    if lost:
        if orchestration is not None:
            _quietly(lambda: orchestration.lost({row["task_id"] for row in lost}), warn)
        sweep_store.resent(database, lost)
        _quietly(lambda: live.outdate(sorted({row["task_id"] for row in lost})), warn)
    freed: list[Delivery] = []
    if limits is not None:
        _quietly(lambda: freed.extend(limits.heal()), warn)
        queues.send(freed)
    works = clockworks()
    fired = _fire(works, warn)
    if not rows and not timers and not told and not sweep_store.any_open(database):
        dues = [*(work.next_due() for work in works), waiting_store.next_look(database)]
        until = min((due for due in dues if due is not None), default=None)
        _quietly(lambda: open_work.quiet(count, until=until), warn)
    return Swept(asleep=False, sent=len(lost), expired=len(expired), fired=fired, freed=len(freed))


def _send(
    database: Database,
    queues: StageQueues,
    lost: Sequence[Mapping[str, Any]],
    timers: Sequence[Mapping[str, Any]],
    lanes: tuple[Lane, ...],
) -> None:
    """Send what was lost, and what timers are for; when that fails, the next sweep looks at those timers again."""
    try:
        resend(queues, [*lost, *timers], lanes)
    except Unavailable:
        if timers:
            waiting_store.look_again(database, timers)
        raise


def _fire(works: Sequence[Clockwork], warn: Warn) -> int:
    """Do what the clock made due; return how many. What one kind of work fails of is raised after the others' turn."""
    fired, failed = 0, None
    for work in works:
        try:
            fired += work.fire()
        except Unavailable as exc:
            warn("not all that was due could be done", {"reason": exc.message})
            failed = exc
    if failed is not None:
        raise failed
    return fired


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
