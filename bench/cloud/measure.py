"""One load on a running local cloud, and where its time and CPU went."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from bench.cloud.drive import Driver, Passed, Read, Say
from bench.cloud.invocations import Calls, calls_since
from bench.cloud.own_cloud import own_cloud
from bench.cloud.processes import CLIENT, EMULATOR, Processes, between, machine_cpu_seconds
from bench.cloud.workload import STAGES, TEMPLATE
from bench.local_load import share
from steersman.cli.client import Client
from steersman.local.cloud import LocalCloud

WARM_UP = 400
SAMPLE = 100
SERVERS = ("postgresql", "redis")
Measured = dict[str, Any]


class CloudBench:
    """A local cloud with the research DAG published, every function warm; `cold` says what that took."""

    def __init__(self, cloud: LocalCloud, say: Say) -> None:
        endpoints = cloud.endpoints()
        self._client = Client(endpoints.api_url)
        self._port = endpoints.cloud_port
        self._processes = Processes(cloud)
        self._driver = Driver(self._client, say)
        self._say = say
        say("warm-up: the template, and every function's processes")
        self.cold = self._warm_up()

    def load(self, tasks: int, *, priority: str, read: Read) -> Measured:
        """Pass tasks through and return figures; CPU in seconds per 1,000 tasks. Raises Stuck."""
        self._say(f"{tasks:,} tasks of priority {priority}, read by {read}")
        after_ms = int(time.time() * 1000)
        machine, before = machine_cpu_seconds(), self._processes.cpu_seconds()
        passed = self._driver.pass_through(tasks, priority=priority, read=read)
        used = between(before, self._processes.cpu_seconds())
        machine = machine_cpu_seconds() - machine
        calls = calls_since(self._port, after_ms)
        return {
            "priority": priority,
            "read": read,
            "tasks": tasks,
            "seconds": round(passed.seconds, 3),
            "submitted_s": round(passed.submitted_s, 3),
            "tasks_per_s": round(passed.tasks_per_s, 1),
            "results_checked": tasks,
            "stages_checked": tasks
            if read is Read.EACH
            else self._driver.check_stages(passed.batches, SAMPLE),
            "cpu_s_per_1000_tasks": _per_1000(used, tasks),
            "other_programs_cores": round(max(0.0, machine - sum(used.values())) / passed.seconds, 2),
            "functions": {name: _told(one) for name, one in calls.items()},
            "time": _time(passed, calls),
        }

    def latency(self, tasks: int) -> Measured:
        """Return milliseconds of single tasks on the idle cloud, from the request to the result in hand."""
        self._say(f"{tasks} single tasks, one after the other")
        self._driver.one(0)
        seconds = [self._driver.one(number) for number in range(1, tasks + 1)]
        return {
            "tasks": tasks,
            "p50_ms": round(share(seconds, 0.5) * 1000, 1),
            "p95_ms": round(share(seconds, 0.95) * 1000, 1),
        }

    def memory(self) -> Measured:
        """Return MB (PSS) of the emulator and of each function, and how many processes a function has."""
        found = self._processes.memory_mb()
        return {
            "total_mb": round(sum(found.values())),
            "mb": {name: round(value) for name, value in sorted(found.items(), key=lambda item: -item[1])},
            "processes": self._processes.workers(),
        }

    def _warm_up(self) -> Measured:
        """Publish the template and pass tasks through; return how long the first ones took, and the next."""
        self._client.publish(TEMPLATE, "default", validate_only=False)
        first, second = (
            self._driver.pass_through(WARM_UP, priority="medium", read=read)
            for read in (Read.PAGES, Read.EACH)
        )
        return {
            "tasks": WARM_UP,
            "first_seconds": round(first.seconds, 2),
            "second_seconds": round(second.seconds, 2),
        }


@contextmanager
def warm_cloud(say: Say) -> Iterator[CloudBench]:
    """Give a local cloud of this bench's own, in a temporary folder, that is gone afterwards."""
    say("a local cloud of its own, from nothing (about half a minute)")
    with own_cloud() as cloud:
        yield CloudBench(cloud, say)


def _per_1000(used: Mapping[str, float], tasks: int) -> Measured:
    """Return CPU by what it was spent on, and by process."""
    each = {name: value * 1000 / tasks for name, value in used.items()}
    outside = (*SERVERS, EMULATOR, CLIENT)
    summed = {
        "emulator": each[EMULATOR],
        "product_functions": sum(value for name, value in each.items() if name not in outside),
        "product_postgresql": each["postgresql"],
        "product_redis": each["redis"],
        "client": each[CLIENT],
        "all": sum(each.values()),
    }
    return {
        **{name: round(value, 3) for name, value in summed.items()},
        "by_process": {name: round(value, 3) for name, value in each.items() if value >= 0.001},
    }


def _time(passed: Passed, calls: Mapping[str, Calls]) -> Measured:
    """Return call seconds within and outside the stage handlers, and what share of stages came with how many."""
    stages = [one for name, one in calls.items() if name.startswith("stage-")]
    jobs = sum(one.jobs for one in stages)
    inside, seen = sum(one.handler_s for one in stages), sum(one.seconds for one in stages)
    return {
        "stage_handlers_s": round(inside, 2),
        "stage_calls_outside_handlers_s": round(seen - inside, 2),
        "api_calls_s": round(sum(o.seconds for name, o in calls.items() if name.startswith("api-")), 2),
        "stage_calls": sum(one.calls for one in stages),
        "jobs_per_stage_call": round(jobs / max(1, sum(one.calls for one in stages)), 1),
        "jobs_per_message": round(jobs / max(1, sum(one.messages for one in stages)), 1),
        "runs_per_stage": round(jobs / (passed.tasks * STAGES), 4),
    }


def _told(calls: Calls) -> Measured:
    told = {
        name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(calls).items()
    }
    return {name: value for name, value in told.items() if value}
