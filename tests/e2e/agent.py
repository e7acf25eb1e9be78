"""An agent behind HTTP whose work a test can hold up, so that something can happen in the middle of a stage."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg

from steersman.ids import DEFAULT_PROJECT_ID, new_id

CAPABILITY = "e2e.work"
TEMPLATE = {
    "name": "held_work",
    "description": "Two stages of an agent whose work a test can hold up.",
    "deadline_s": 900,
    "stages": [
        {"name": "work", "queue": "agent", "capability": CAPABILITY, "timeout_s": 40},
        {"name": "follow", "queue": "agent", "capability": CAPABILITY, "needs": ["work"], "timeout_s": 40},
    ],
}
HOLD_LIMIT_S = 60.0
ARRIVAL_LIMIT_S = 30.0


class HeldAgent:
    """Serves jobs at `url`; tasks whose input says {"hold": name} wait in their first attempt for `let_go(name)`.

    An input may say {"fail": {stage: attempts that fail}}, and {"cost_usd": what each attempt costs}.
    """

    def __init__(self) -> None:
        self.jobs: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._gone: set[str] = set()
        agent = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                job = json.loads(self.rfile.read(int(self.headers["content-length"])))
                agent.work(job)
                status, answer = agent.answer(job)
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass  # the caller was killed: that is what the tests do

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"

    @contextmanager
    def serving(self) -> Iterator["HeldAgent"]:
        thread = threading.Thread(target=self._server.serve_forever, name="held-agent")
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join(10)

    def register(self, database_url: str) -> None:
        """Put this agent into the registry; the API cannot yet."""
        agent_id = new_id()
        with psycopg.connect(database_url) as connection:
            connection.execute(
                "INSERT INTO agents (id, project_id, name, version, protocol, endpoint, status, max_concurrency)"
                " VALUES (%s, %s, 'held', '1.0.0', 'http', %s, 'active', 10)",
                (agent_id, DEFAULT_PROJECT_ID, self.url),
            )
            connection.execute(
                "INSERT INTO agent_capabilities (agent_id, project_id, capability) VALUES (%s, %s, %s)",
                (agent_id, DEFAULT_PROJECT_ID, CAPABILITY),
            )

    def work(self, job: dict[str, Any]) -> None:
        """Take a job, and hold it while its test wants that."""
        name = job["input"].get("hold")
        with self._changed:
            self.jobs.append(job)
            self._changed.notify_all()
            if name and job["stage"] == "work" and job["attempt"] == 1:
                self._changed.wait_for(lambda: name in self._gone, HOLD_LIMIT_S)

    def answer(self, job: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return the status and the body of what the input asks for."""
        given = job["input"]
        if job["attempt"] <= given.get("fail", {}).get(job["stage"], 0):
            return 503, {"error": "as was asked"}
        output = {"stage": job["stage"], "attempt": job["attempt"]}
        return 200, {"output": output, "cost_usd": given.get("cost_usd", 0)}

    def arrived(self, task_id: str) -> None:
        """Wait until a job of the task is here."""
        with self._changed:
            here = self._changed.wait_for(lambda: self.of(task_id), ARRIVAL_LIMIT_S)
        assert here, f"no job of task {task_id} arrived"

    def let_go(self, name: str) -> None:
        """Let the work that is held under a name go on."""
        with self._changed:
            self._gone.add(name)
            self._changed.notify_all()

    def of(self, task_id: str) -> list[tuple[str, int]]:
        """Return the stage and attempt of every job that came for a task."""
        return [(job["stage"], job["attempt"]) for job in self.jobs if job["task_id"] == task_id]
