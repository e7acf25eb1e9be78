"""A local cloud for tests, brought up and taken down through the command line as a person would."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
from redis import Redis

from steersman.local.cloud import LocalCloud
from steersman.local.deployment import client
from steersman.local.endpoints import NAME_PREFIX
from steersman.local.ports import free_port
from steersman.local.settings import LocalSettings

ROOT = Path(__file__).parents[2]
STEERSMAN = Path(sys.executable).with_name("steersman")
COMMAND_LIMIT_S = 180.0
PROBE_PAUSE_S = 0.05


class Steersman:
    """The command line on a local cloud in `folder`, with ports of its own, and the API that it brings up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ports = {f"{part}_port": free_port() for part in ("database", "cache", "cloud")}
        self.local = LocalCloud(ROOT, LocalSettings.model_validate({"local_dir": folder, **ports}))
        ours = {f"STEERSMAN_{name.upper()}": str(value) for name, value in ports.items()}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("STEERSMAN_")}
        self.environment = {**inherited, **ours, "STEERSMAN_LOCAL_DIR": str(folder)}
        self.http = httpx.Client(timeout=40)

    def run(self, *arguments: object, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end and check its exit code."""
        done = subprocess.run(
            [str(STEERSMAN), *map(str, arguments)],
            cwd=ROOT,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_LIMIT_S,
            check=False,
        )
        assert done.returncode == code, (
            f"{arguments} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )
        return done

    def json(self, *arguments: object, code: int = 0) -> Any:
        """Run a command with --json and return what it printed: all of it is one document."""
        return json.loads(self.run(*arguments, "--json", code=code).stdout)

    def up(self) -> dict[str, Any]:
        """Bring the local cloud up, whatever state it is in."""
        answer: dict[str, Any] = self.json("up")
        self.http.base_url = answer["api_url"]
        return answer

    def pids(self) -> dict[str, int | None]:
        """Return the process of each part."""
        return {part["part"]: part["pid"] for part in self.json("status")}

    def kill(self, part: str) -> None:
        """Kill a part as a crash would."""
        pid = self.pids()[part]
        assert pid is not None
        process = psutil.Process(pid)
        process.kill()
        process.wait(20)

    def flush_cache(self) -> None:
        """Empty Redis."""
        with Redis.from_url(self.local.endpoints().redis_url) as client:
            client.flushall()

    def workers(self, function: str) -> list[psutil.Process]:
        """Return the processes that run a Lambda function now."""
        mark = f"ministack-lambda-steersman-local-{function}-"
        return [process for process in self.processes() if any(mark in part for part in _cmdline(process))]

    def processes(self) -> list[psutil.Process]:
        """Return every process that has to do with this local cloud."""
        mark = str(self.folder)
        found = [
            process for process in psutil.process_iter() if any(mark in part for part in _cmdline(process))
        ]
        return [process for process in found if process.pid != os.getpid()]

    def aws(self, service: str) -> Any:
        """Return a boto3 client of the local AWS API."""
        return client(service, self.local.endpoints().cloud_port)

    def sweep(self) -> None:
        """Do what the schedule does each minute."""
        self.aws("lambda").invoke(FunctionName=f"{NAME_PREFIX}ops-sweep", Payload=b"{}")

    # What a client of the API does.

    def submit(self, template: str, task_input: dict[str, Any], **fields: Any) -> str:
        """Submit a task and return its id."""
        answer = self.http.post("/v1/tasks", json={"template": template, "input": task_input, **fields})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def ask(self, question: str, template: str = "standard_query", **fields: Any) -> dict[str, Any]:
        """Ask a question and return the task when it has ended."""
        return self.ended(self.submit(template, {"question": question}, **fields))

    def task(self, task_id: str) -> dict[str, Any]:
        """Return a task with its stages."""
        answer = self.http.get(f"/v1/tasks/{task_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def ended(self, task_id: str, *, limit_s: float = 60.0) -> dict[str, Any]:
        """Wait for a task's end by long polls and return it."""
        deadline = time.monotonic() + limit_s
        cursor = ""
        while time.monotonic() < deadline:
            page = self.events(task_id, cursor, wait_s=10)
            cursor = page["cursor"]
            if page["ended"]:
                return self.task(task_id)
        raise AssertionError(f"the task has not ended: {self.task(task_id)}")

    def events(self, task_id: str, after: str = "", *, wait_s: float = 0) -> dict[str, Any]:
        """Return a page of a task's events."""
        query = {"wait_s": str(wait_s), **({"after": after} if after else {})}
        answer = self.http.get(f"/v1/tasks/{task_id}/events", params=query)
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page

    def all_events(self, task_id: str, *, limit_s: float = 60.0) -> list[dict[str, Any]]:
        """Return all events of a task in the order in which a client that follows it sees them."""
        deadline = time.monotonic() + limit_s
        seen: list[dict[str, Any]] = []
        cursor = ""
        while time.monotonic() < deadline:
            page = self.events(task_id, cursor, wait_s=10)
            seen += page["events"]
            cursor = page["cursor"]
            if page["ended"]:
                return seen
        raise AssertionError(f"the task has not ended after {[event['type'] for event in seen]}")


def until(condition: Callable[[], Any], what: str, *, limit_s: float = 30.0) -> Any:
    """Wait until `condition` returns something true, and return that."""
    deadline = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {limit_s:.0f} s: {what}"
        time.sleep(PROBE_PAUSE_S)
    return found


def _cmdline(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
