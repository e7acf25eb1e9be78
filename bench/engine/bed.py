"""What a run happens on: its servers and processes, all of them started and warm, and a wait for empty queues."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import psycopg
import redis

from bench.engine.children import BenchFailed, Child, start_submitter, start_worker
from bench.engine.plan import Plan
from bench.engine.servers import Servers, queue_names, servers
from bench.sqs.figures import depth

WORKERS = 2
LOOK_S = 0.1
LAST_LOOK_S = 0.01
LAST_MESSAGES = 40
CHUNK = 10_000
TOLD_EVERY_S = 10.0
STALLED_S = 60.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Bed:
    """A run's servers and processes."""

    servers: Servers
    workers: Sequence[Child]
    submitter: Child
    admin: psycopg.Connection
    queues: redis.Redis
    cache: redis.Redis

    @property
    def processes(self) -> dict[str, int]:
        """Pids by name; the servers' are the roots of their trees."""
        ours = {child.name: child.pid for child in (*self.workers, self.submitter)}
        return {
            **ours,
            "postgres": self.servers.postgres.identity.pid,
            "redis": self.servers.cache.identity.pid,
            "queues": self.servers.queues.identity.pid,
        }

    def drain(self, say: Say = lambda _: None) -> float:
        """Wait until the queues are empty and return the time (seconds since 1970) when they were.

        Raise BenchFailed when a process ends, or nothing moves any more.
        """
        before, moved_at, told_at = -1, time.monotonic(), time.monotonic()
        while left := depth(self.queues, queue_names()):
            now = time.monotonic()
            if left != before:
                before, moved_at = left, now
            elif now - moved_at > STALLED_S:
                raise BenchFailed(
                    f"{left} messages have not moved for {STALLED_S:.0f} s; "
                    "look for errors in what the workers log, with fewer --tasks"
                )
            if now - told_at > TOLD_EVERY_S:
                told_at = now
                say(f"{left:,} messages left")
            for child in (*self.workers, self.submitter):
                child.check()
            # The bench's own look at the queues, rarer than would cost the workers anything.
            time.sleep(LOOK_S if left > LAST_MESSAGES else LAST_LOOK_S)
        return time.time()

    def load(self, plan: Plan, say: Say) -> dict[str, float]:
        """Have all tasks submitted; return the times of the first request and of the last answer."""
        chunk = max(plan.batch, CHUNK - CHUNK % plan.batch)
        began = ended = 0.0
        for sent in range(0, plan.tasks, chunk):
            count = min(chunk, plan.tasks - sent)
            told = self.submitter.ask(move="load", count=count, batch=plan.batch, per_s=plan.per_s)
            began, ended = began or told["began"], told["ended"]
            say(f"{sent + count:,} submitted")
        return {"began": began, "ended": ended}


def made_bed(plan: Plan, alive: ExitStack) -> Bed:
    """Start everything that a run needs; `alive` stops it."""
    made = alive.enter_context(servers(plan.fsync))
    if plan.profile:
        plan.profile.mkdir(parents=True, exist_ok=True)
    starting = [
        start_worker(
            made,
            f"worker_{number}",
            messages=plan.messages,
            profile=plan.profile and plan.profile.resolve() / f"worker_{number}.prof",
        )
        for number in range(1, WORKERS + 1)
    ]
    starting.append(start_submitter(made))
    *workers, submitter = [alive.enter_context(child) for child in starting]
    admin = alive.enter_context(made.admin())
    queues = alive.enter_context(made.queue_client())
    cache = alive.enter_context(redis.Redis.from_url(made.cache.url))
    return Bed(made, workers, submitter, admin, queues, cache)
