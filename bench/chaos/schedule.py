"""What happens in a run, and when: made of the seed alone, so that a run can be repeated."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import count

from bench.chaos import metered
from bench.chaos.templates import FAN_OUT, NESTED, SAGA
from steersman.failpoints import NAMES
from steersman.ids import DEFAULT_PROJECT

DEFAULTS = ("complex_research", "quick_answer", "simple_lookup", "standard_query", "web_enhanced")
TEMPLATES = (*(DEFAULTS * 4), FAN_OUT, FAN_OUT, NESTED, NESTED, NESTED, SAGA, SAGA, SAGA, SAGA)
_METERED = 0.12  # of the tasks are the project's that has limits
PRIORITIES = ("low", "medium", "medium", "medium", "high", "critical", "emergency")
SUBMITTERS = 2
WORKERS = 3
FOLLOWERS = 2
OPERATORS = 1
LONGEST_BATCH = 16
OF_MACHINES = frozenset({"engine.asked"})  # no run has state machines
MOST_REACHES = 25  # a process lives until the failpoint is reached for the n-th time, n up to this
_MINUTES = 60.0
_SKEWS_S = (0.0, 0.0, 60.0, -60.0, 5 * _MINUTES, -5 * _MINUTES, 12 * _MINUTES, -12 * _MINUTES)


class Role(StrEnum):
    """What a process of a run does."""

    WORKER = "worker"
    SUBMITTER = "submitter"
    SWEEPER = "sweeper"
    FOLLOWER = "follower"  # of tasks' events
    OPERATOR = "operator"  # raises, answers, pauses and resumes


class Kind(StrEnum):
    """What may happen to the processes and servers of a run."""

    KILL = "kill"  # SIGKILL at any moment
    STALL = "stall"  # SIGSTOP, and SIGCONT after its leases ran out
    EMPTY_REDIS = "empty_redis"
    RESTART_REDIS = "restart_redis"
    RESTART_POSTGRES = "restart_postgres"  # as pg_ctl -m immediate
    MIDNIGHT = "midnight"  # a day of budgets is over


@dataclass(frozen=True)
class PlannedTask:
    """A task to submit, known by its number in its question and its label."""

    number: int
    template: str
    priority: str
    deadline_s: float | None
    budget_usd: str | None
    budget_tokens: int | None
    project: str = DEFAULT_PROJECT


@dataclass(frozen=True)
class Submit:
    """A request to submit tasks under a key; `again` says that another submitter sends it too."""

    at_s: float
    key: str
    tasks: tuple[PlannedTask, ...]
    again: bool = False


@dataclass(frozen=True)
class CancelTask:
    """A request to cancel the task of a number, once its id is known."""

    at_s: float
    number: int


@dataclass(frozen=True)
class Accident:
    """Something that happens to a process (its role and place) or to a server."""

    at_s: float
    kind: Kind
    role: Role = Role.WORKER
    place: int = 0


Move = Submit | CancelTask


@dataclass(frozen=True)
class Schedule:
    """A run: `moves` of each submitter and `accidents`, each in the order of their time within `storm_s` seconds."""

    seed: int
    storm_s: float
    moves: tuple[tuple[Move, ...], ...]
    accidents: tuple[Accident, ...]
    numbers: frozenset[int]


def make(seed: int, tasks: int, storm_s: float) -> Schedule:
    """Return the run of `seed`, with `tasks` tasks submitted over `storm_s` seconds."""
    rng = _rng(seed, "moves")
    moves: list[list[Move]] = [[] for _ in range(SUBMITTERS)]
    numbers = iter(range(1, tasks + 1))
    for order in count():
        planned = tuple(_planned(rng, number) for number in _take(numbers, _batch_size(rng)))
        if not planned:
            break
        at_s = storm_s * (planned[0].number - 1) / tasks
        request = Submit(at_s, f"chaos-{seed}-{order}", planned)
        own = order % SUBMITTERS
        moves[own].append(request)
        if rng.random() < 0.15:
            # At the same moment, or later, by the other submitter; or later by the same.
            again = Submit(at_s + rng.choice((0.0, 0.05, 3.0)), request.key, planned, again=True)
            moves[(own + 1) % SUBMITTERS if rng.random() < 0.7 else own].append(again)
        cancelled = [task.number for task in planned if rng.random() < 0.04]
        moves[own] += [CancelTask(at_s + rng.choice((0.0, 0.3, 1.0, 4.0)), number) for number in cancelled]
    ordered = tuple(tuple(sorted(own, key=lambda move: move.at_s)) for own in moves)
    return Schedule(seed, storm_s, ordered, tuple(_accidents(seed, storm_s)), frozenset(range(1, tasks + 1)))


def failpoints(seed: int, role: Role, place: int, places: int) -> Iterator[str]:
    """Yield what STEERSMAN_FAILPOINT arms in each life of the processes of a role, the names in turn without end.

    In the first round every point kills at once, so that a short run reaches all; later ones after more and more.
    """
    names = names_of(role)
    rng = _rng(seed, f"failpoints:{role}:{place}")
    for life in count():
        round_, position = divmod(life * places + place, len(names))
        most = 1 if round_ == 0 else min(MOST_REACHES, 4 * round_)
        yield f"{names[position]}:{rng.randint(1, most)}"


def names_of(role: Role) -> tuple[str, ...]:
    """Return the failpoints that lie on the way of a role, its own first."""
    mine = {
        Role.WORKER: ("engine.", "agent.", "families.", "queues."),
        Role.SUBMITTER: ("submit.", "queues."),
        Role.SWEEPER: ("sweep.", "queues.", "submit."),  # it submits what schedules make
        Role.FOLLOWER: (),  # only asks
        Role.OPERATOR: (),
    }
    wanted = [name for name in NAMES if name not in OF_MACHINES]
    return tuple(name for own in mine[role] for name in wanted if name.startswith(own))


def skew_s(seed: int, role: Role, place: int, life: int) -> float:
    """Return by how much the clock of a life of a process is wrong; those of submitters by up to a minute."""
    drawn = _rng(seed, f"skew:{role}:{place}:{life}").choice(_SKEWS_S)
    return max(-60.0, min(60.0, drawn)) if role is Role.SUBMITTER else drawn


def _accidents(seed: int, storm_s: float) -> list[Accident]:
    rng = _rng(seed, "accidents")
    every_s = {
        Kind.KILL: 4.0,
        Kind.STALL: 12.0,
        Kind.EMPTY_REDIS: 20.0,
        Kind.RESTART_REDIS: 40.0,
        Kind.RESTART_POSTGRES: 45.0,
        Kind.MIDNIGHT: 15.0,
    }
    found = []
    for kind, seconds in every_s.items():
        for _ in range(max(1, round(storm_s / seconds))):
            role = rng.choices((Role.WORKER, Role.SUBMITTER, Role.SWEEPER), (6, 2, 1))[0]
            role = role if kind is Kind.KILL else Role.WORKER
            places = {Role.WORKER: WORKERS, Role.SUBMITTER: SUBMITTERS, Role.SWEEPER: 1}[role]
            at_s = rng.uniform(0.1, 0.95) * storm_s
            found.append(Accident(at_s, kind, role, rng.randrange(places)))
    found += [
        *_kills(seed, storm_s, Role.FOLLOWER, FOLLOWERS, 6.0),
        *_kills(seed, storm_s, Role.OPERATOR, OPERATORS, 5.0),
    ]
    return sorted(found, key=lambda accident: accident.at_s)


def _kills(seed: int, storm_s: float, role: Role, places: int, every_s: float) -> Iterator[Accident]:
    rng = _rng(seed, f"{role}s")
    for _ in range(max(1, round(storm_s / every_s))):
        at_s = rng.uniform(0.1, 0.95) * storm_s
        yield Accident(at_s, Kind.KILL, role, rng.randrange(places))


def _planned(rng: random.Random, number: int) -> PlannedTask:
    has_limits = rng.random() < _METERED
    return PlannedTask(
        number=number,
        template=metered.TEMPLATE if has_limits else rng.choice(TEMPLATES),
        priority=rng.choice(PRIORITIES),
        deadline_s=rng.choice((1.0, 2.0, 4.0)) if rng.random() < 0.03 else None,
        budget_usd="0.0002" if rng.random() < 0.04 else None,
        budget_tokens=100 if rng.random() < 0.04 else None,
        project=metered.PROJECT if has_limits else DEFAULT_PROJECT,
    )


def _batch_size(rng: random.Random) -> int:
    return 1 if rng.random() < 0.4 else rng.randint(2, LONGEST_BATCH)


def _take(numbers: Iterator[int], size: int) -> list[int]:
    return [number for _, number in zip(range(size), numbers, strict=False)]


def _rng(seed: int, purpose: str) -> random.Random:
    return random.Random(f"{seed}:{purpose}")  # noqa: S311 - to be repeated, not to be secret
