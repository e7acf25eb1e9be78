"""Limits of concurrency: which of the attempts that agents were chosen for may run now, and which wait for a place.

A project may have so many stages running at once as its limit says, an agent outside of the workers so many calls as
its `max_concurrency`. What is in neither case costs nothing. An attempt that finds no place is put back and waits in
Redis; when a place becomes free, the attempt that has waited longest is sent, urgent ones first.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from steersman.agents.registry import Registry
from steersman.agents.selection import Candidate
from steersman.aws.queues import Delivery, Job
from steersman.cache.slots import NO_LIMIT, Ask, Slots, Waiter
from steersman.errors import Unavailable
from steersman.projects.limits import KnownLimits
from steersman.tasks.resending import Warn
from steersman.tasks.words import Lane

if TYPE_CHECKING:
    from steersman.tasks.attempts import Attempt

PROJECT = "project"
_RANKS = {str(lane): rank for rank, lane in enumerate((Lane.URGENT, Lane.STANDARD, Lane.BULK))}


class Chosen(NamedTuple):
    """An attempt and who could do it, the agent that is preferred first."""

    attempt: "Attempt"
    agents: Sequence[Candidate]


class Refused(NamedTuple):
    """An attempt that waits for a place: the name of what is full, and what to call it in views."""

    attempt: "Attempt"
    name: str
    called: str


class Admission(NamedTuple):
    """Who may run, with which agent; who waits; and what must be given back: the places taken, under which limits."""

    running: list[tuple["Attempt", Candidate]]
    refused: list[Refused]
    held: list[tuple[str, str]]
    most: dict[str, int]


class Limits:
    """The limits of an environment's projects and agents; `hold_s` is how long a place is kept without renewal."""

    def __init__(
        self, *, slots: Slots, projects: KnownLimits, registry: Registry, hold_s: float, warn: Warn
    ) -> None:
        self._slots = slots
        self._projects = projects
        self._registry = registry
        self._hold_s = hold_s
        self._warn = warn

    def concern(self, agents: Iterable[Candidate], project_ids: Iterable[UUID]) -> bool:
        """Say whether any limit is for one of these agents or projects: else nothing need be asked."""
        if any(_counted(agent) for agent in agents):
            return True
        limited = self._projects.running_stages()
        return bool(limited) and any(project_id in limited for project_id in project_ids)

    def admit(self, chosen: Sequence[Chosen]) -> Admission:
        """Take a place for each attempt, with the first of its agents that has one; one round trip.

        Without Redis nothing is limited: all run.
        """
        most: dict[str, int] = {}
        asks = [Ask(_holder(one.attempt), self._ways(one, most)) for one in chosen]
        try:
            answers: list[int | str] = self._slots.take(asks, most, hold_s=self._hold_s)
        except Unavailable as exc:
            self._warn("limits are not kept", {"reason": exc.message})
            return Admission([(one.attempt, one.agents[0]) for one in chosen], [], [], {})
        admission = Admission([], [], [], most)
        for one, ask, answer in zip(chosen, asks, answers, strict=True):
            if isinstance(answer, str):
                admission.refused.append(Refused(one.attempt, answer, _called(answer, one.agents)))
            else:
                admission.running.append((one.attempt, one.agents[answer]))
                admission.held.extend((name, ask.holder) for name in ask.ways[answer])
        return admission

    def wait(self, admission: Admission, deliveries: Sequence[tuple[Refused, Delivery]]) -> list[Delivery]:
        """Have refused attempts wait for a place, each with what sends it; return what is to be sent at once.

        Raises Unavailable.
        """
        waiters = [
            Waiter(
                one.name,
                _RANKS.get(sent.lane, len(_RANKS)),
                _holder(one.attempt),
                f"{sent.queue} {sent.lane} {sent.group}",
            )
            for one, sent in deliveries
        ]
        return _deliveries(self._slots.settle(admission.most, comes=waiters))

    def keep(self, admission: Admission) -> None:
        """Keep the places of attempts that still run."""
        ways: dict[str, list[str]] = {}
        for name, holder in admission.held:
            ways.setdefault(holder, []).append(name)
        asks = [Ask(holder, [names]) for holder, names in ways.items()]
        if not asks:
            return
        try:
            self._slots.take(asks, admission.most, hold_s=self._hold_s)
        except Unavailable as exc:
            self._warn("limits are not kept", {"reason": exc.message})

    def leave(self, admission: Admission | None, gone: Sequence[Job]) -> list[Delivery]:
        """Give places back, and those that were kept for jobs which need none any more; return what is to be sent."""
        most = dict(admission.most) if admission else {}
        left = list(admission.held) if admission else []
        if gone:
            most |= self._all()
            left += [(name, _name_of(job)) for job in gone for name in most]
        if not left:
            return []
        try:
            return _deliveries(self._slots.settle(most, left=left))
        except Unavailable as exc:
            self._warn("places were not given back", {"reason": exc.message})
            return []

    def exist(self) -> bool:
        """Say whether there is any limit at all."""
        return bool(self._all())

    def heal(self) -> list[Delivery]:
        """Return what waits for places that nobody told of: those of workers that died, and where a limit was lifted.

        Raises Unavailable.
        """
        names = self._slots.waited()
        if not names:
            return []
        known = self._all()
        return _deliveries(self._slots.settle({name: known.get(name, NO_LIMIT) for name in names}))

    def _ways(self, one: Chosen, most: dict[str, int]) -> list[list[str]]:
        limited = self._projects.running_stages().get(one.attempt.job.project_id)
        shared: list[str] = []
        if limited is not None:
            shared = [f"{PROJECT}:{one.attempt.job.project_id}"]
            most[shared[0]] = limited
        ways = []
        for agent in one.agents:
            own = [f"agent:{agent.id}"] if _counted(agent) else []
            most.update(dict.fromkeys(own, agent.max_concurrency))
            ways.append(shared + own)
        return ways

    def _all(self) -> dict[str, int]:
        projects = {f"{PROJECT}:{one}": most for one, most in self._projects.running_stages().items()}
        agents = {
            f"agent:{one.id}": one.max_concurrency for one in self._registry.candidates() if _counted(one)
        }
        return projects | agents


def _counted(agent: Candidate) -> bool:
    return agent.protocol != "builtin"  # what runs in the workers is limited by them


def _called(name: str, agents: Sequence[Candidate]) -> str:
    return next((f"agent:{agent.name}" for agent in agents if name == f"agent:{agent.id}"), PROJECT)


def _holder(attempt: "Attempt") -> str:
    job = attempt.job
    return _name_of(Job(job.task_id, job.stage, job.attempt))


def _name_of(job: Job) -> str:
    return f"{job.task_id} {job.stage} {job.attempt}"


def _deliveries(free: Iterable[tuple[str, str]]) -> list[Delivery]:
    """Read again what `_name_of` and `Limits.wait` wrote."""
    found = []
    for holder, told in free:
        task_id, stage, attempt = holder.split(" ")
        queue, lane, group = told.split(" ")
        found.append(Delivery(queue, lane, Job(UUID(task_id), stage, int(attempt)), 0, group))
    return found
