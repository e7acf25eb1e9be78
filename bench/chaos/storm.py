"""A run from its first process to the calm at its end."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

import redis

from bench.chaos.fleet import Fleet
from bench.chaos.journal import Journal
from bench.chaos.run_folder import LEASE_S, Run
from bench.chaos.schedule import Accident, Kind, Role, Schedule
from bench.chaos.servers import Servers
from bench.chaos.wiring import queue_names
from bench.sqs.figures import depth
from steersman.db.connection import Database
from steersman.errors import Unavailable

TICK_S = 0.05
STALL_S = LEASE_S + 2.0
LOOK_S = 2.0
FOLLOWERS_S = 30.0  # some rounds of a follower's tasks, each with its wait
Say = Callable[[str, int], None]
_MOST_LEFT = 10  # of each kind are named
_LEFT = f"""
    (SELECT format('schedule %s, next at %s', name, next_at) AS left FROM schedules WHERE NOT paused LIMIT {_MOST_LEFT})
    UNION ALL
    (SELECT format('task %s of %s, %s%s: %s', id, template_name, status,
                   CASE WHEN paused IS NOT NULL THEN ', paused' END,
                   (SELECT string_agg(format('%s %s', s.name, s.status), ', ' ORDER BY s.position)
                    FROM task_stages s WHERE s.task_id = t.id))
     FROM task_histories t WHERE finished_at IS NULL ORDER BY created_at LIMIT {_MOST_LEFT})"""  # noqa: S608


@dataclass
class Storm:
    """Carries out a schedule; `happened` counts the accidents to servers."""

    run: Run
    schedule: Schedule
    servers: Servers
    fleet: Fleet
    say: Say
    happened: Counter[str] = field(default_factory=Counter)
    _stalled: list[tuple[float, int]] = field(default_factory=list)
    _journal: Journal = field(init=False)

    def __post_init__(self) -> None:
        self._journal = Journal(self.run.journal("storm"))

    def rage(self) -> None:
        """Keep the fleet going through all accidents of the schedule."""
        accidents = list(self.schedule.accidents)
        look_at = 0.0
        while (now := time.monotonic() - self.run.began) < self.schedule.storm_s:
            self.fleet.tend()
            while accidents and accidents[0].at_s <= now:
                self._carry_out(accidents.pop(0), now)
            self._resume(now)
            if now >= look_at:
                look_at = now + LOOK_S
                deaths = self.fleet.deaths
                killed = deaths.at_failpoints.total() + deaths.at_random.total()
                self.say(f"storm, {killed} processes killed", self._ended())
            threading.Event().wait(TICK_S)

    def settle(self, patience_s: float) -> list[str]:
        """Let everything come to rest: all submitted, all ended, all queues empty, all schedules stopped.

        Say what is left when nothing more ends or leaves a queue for `patience_s`; nothing, if all came to rest.
        """
        self.fleet.calm()
        progress, until = (0, 0), time.monotonic() + patience_s
        with redis.Redis.from_url(self.run.sqs_url) as client:
            while time.monotonic() < until:
                self.fleet.tend()
                ended, waiting = self._ended(), depth(client, queue_names())
                self.say(f"calm, {waiting} messages wait", ended)
                if self.fleet.submitted() and waiting == 0 and self._open() == 0:
                    self._let_followers_end(ended)
                    return []
                if ended > progress[0] or waiting < progress[1]:
                    until = time.monotonic() + patience_s
                progress = (ended, waiting)
                threading.Event().wait(LOOK_S / 2)
            return [*self._left_of_work(), *_left_in_queues(client)]

    def _let_followers_end(self, ended: int) -> None:
        """Give followers the time to be told the end; who was not is found by the checker."""
        until = time.monotonic() + FOLLOWERS_S
        while not self.fleet.followed() and time.monotonic() < until:
            self.fleet.tend()
            self.say("calm, followers ask on", ended)
            threading.Event().wait(TICK_S)

    def _carry_out(self, accident: Accident, now: float) -> None:
        match accident.kind:
            case Kind.KILL:
                self.fleet.kill(accident.role, accident.place)
                return
            case Kind.STALL:
                self.fleet.stall(Role.WORKER, accident.place)
                self._stalled.append((now + STALL_S, accident.place))
                return
            case Kind.EMPTY_REDIS:
                happens = self.servers.empty_redis
            case Kind.RESTART_REDIS:
                happens = self.servers.restart_redis
            case Kind.RESTART_POSTGRES:
                happens = self.servers.restart_postgres
            case Kind.MIDNIGHT:
                # It waits for rows that a stalled worker may hold, and nobody else lets that go on.
                self._resume(inf)
                happens = self.servers.end_day
        since = time.monotonic()
        happens()
        self._journal.write({"kind": accident.kind, "since": since, "until": time.monotonic()})
        self.happened[accident.kind] += 1

    def _resume(self, now: float) -> None:
        for until, place in [one for one in self._stalled if one[0] <= now]:
            self.fleet.resume(Role.WORKER, place)
            self._stalled.remove((until, place))

    def _left_of_work(self) -> list[str]:
        submitters = [] if self.fleet.submitted() else ["submitters are not done"]
        database = Database(self.run.database_url)
        try:
            return [*submitters, *left_of_work(database)]
        finally:
            database.close()

    def _ended(self) -> int:
        return self._count("finished_at IS NOT NULL")

    def _open(self) -> int:
        """Return how much is not at rest: schedules are looked at first, for they make tasks."""
        return self._count("NOT paused", "schedules") + self._count("finished_at IS NULL")

    def _count(self, condition: str, table: str = "task_histories") -> int:
        database = Database(self.run.database_url)
        try:
            rows = database.run(f"SELECT count(*) AS count FROM {table} WHERE {condition}")  # noqa: S608
        except Unavailable:
            return 0  # it is just being restarted
        finally:
            database.close()
        return int(rows[0]["count"])


def left_of_work(database: Database) -> list[str]:
    """Say which schedules and tasks are not at rest, a line for each of the first."""
    return [row["left"] for row in database.run(_LEFT)]


def _left_in_queues(client: redis.Redis) -> list[str]:
    counts = {name: depth(client, [name]) for name in queue_names()}
    return [f"{count} messages in {name}" for name, count in counts.items() if count]
