"""One process of a run: forked from a server that has imported everything, then on its own like any other.

A run kills hundreds of processes. Each begins in milliseconds, not with a second of imports; what it is made of
(settings, connections, clients) it makes itself, as a new execution environment does.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from bench.chaos.clock import skew
from bench.chaos.follower import Follower
from bench.chaos.operator import Operator
from bench.chaos.run_folder import Run
from bench.chaos.schedule import Role, skew_s
from bench.chaos.submitter import Submitter
from bench.chaos.sweeper import Sweeper
from bench.chaos.wiring import wire
from bench.chaos.worker import Worker

# What the parts of a process import when they are first used: here, once for all.
PRELOADED = (
    "bench.chaos.process",
    "boto3",
    "botocore.client",
    "limits.storage",
    "steersman.agents.registry",
    "steersman.cache.connection",
    "steersman.cache.slots",
    "steersman.http.rate_limit",
    "steersman.projects.service",
    "steersman.tasks.approvals",
    "steersman.tasks.day_releases",
    "steersman.tasks.engine",
    "steersman.tasks.letters",
    "steersman.tasks.redrives",
    "steersman.tasks.reruns",
    "steersman.tasks.schedule_firing",
    "steersman.tasks.schedules",
    "steersman.tasks.service",
    "steersman.tasks.steering",
    "steersman.tasks.submission",
)


def live(run_file: Path, role: Role, place: int, life: int, failpoint: str, calm: bool) -> None:
    """Be a process of a run until it is killed, its parent is gone, or its work is done."""
    run = Run.load(run_file)
    name = f"{role}-{place}-{life}"
    _write_to(run.folder / f"{role}-{place}.log")
    os.environ.clear()
    os.environ.update(run.environment(failpoint))
    parts = wire(run, name, calm=calm)()
    # All is built before the clock is moved, so that no module comes after it with the right one.
    _ = (parts.engine, parts.submissions, parts.tasks, parts.limiter, parts.approvals, parts.steering)
    _ = (parts.schedules, parts.due_schedules, parts.project_limits, parts.day_releases)
    _ = (parts.reruns, parts.dead_letters, parts.redrives)
    if not calm:
        skew(skew_s(run.seed, role, place, life))
    _work(role, run, name, place, calm=calm)(_parent_is_there())


def _work(role: Role, run: Run, name: str, place: int, *, calm: bool) -> Callable[[Callable[[], bool]], None]:
    if role is Role.WORKER:
        return Worker(run, name, calm=calm).work
    if role is Role.SUBMITTER:
        return Submitter(run, place).work
    if role is Role.FOLLOWER:
        return Follower(run, name, place, calm=calm).work
    if role is Role.OPERATOR:
        return Operator(run, name, calm=calm).work
    return Sweeper(run, name).work


def _write_to(log: Path) -> None:
    """Send what is printed from here on to the end of a file."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(file, sys.stdout.fileno())
    os.dup2(file, sys.stderr.fileno())
    os.close(file)


def _parent_is_there() -> Callable[[], bool]:
    parent = os.getppid()
    return lambda: os.getppid() == parent
