"""Sweeps at the real handler, in a process of its own: `python -m bench.scale.sweeps COUNT`.

The settings come by the environment; the figures of COUNT sweeps go to standard output as JSON. SQS is stood in for
by a client that takes everything, because what is measured is the database.
"""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psutil

from bench.scale.requests import Context
from steersman.db.connection import Database
from steersman.db.statements import Statement


class TimedDatabase(Database):
    """A database that adds up how long it is waited for (an upper bound of its own time) and what it computes."""

    waited_s = 0.0
    statements = 0

    def cpu_s(self) -> float:
        """Return the CPU seconds so far of the server's process of this connection."""
        spent = psutil.Process(self._open().info.backend_pid).cpu_times()
        return float(spent.user + spent.system)

    def run(
        self,
        statement: str | Statement,
        parameters: Mapping[str, Any] | None = None,
        *,
        repeatable: bool = False,
    ) -> list[dict[str, Any]]:
        with self._timed():
            return super().run(statement, parameters, repeatable=repeatable)

    def tuples(
        self,
        statement: str | Statement,
        parameters: Mapping[str, Any] | None = None,
        *,
        repeatable: bool = False,
    ) -> list[tuple[Any, ...]]:
        with self._timed():
            return super().tuples(statement, parameters, repeatable=repeatable)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.waited_s += time.perf_counter() - began
            self.statements += 1


class GenerousSqs:
    """An SQS client that takes every message."""

    sent = 0

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: ARG002, N803
        self.sent += len(Entries)
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}


def main() -> None:
    json.dump(sweeps(int(sys.argv[1])), sys.stdout)


def sweeps(count: int) -> list[dict[str, Any]]:
    """Do `count` sweeps and return what each did and how long the database took."""
    from functions.ops.sweep import handler
    from steersman.aws.queues import StageQueues
    from steersman.bootstrap import parts

    database, sqs = TimedDatabase(parts().settings.database_url, steady_plans=True), GenerousSqs()
    # As a cached property keeps them: these parts instead of those that would be built.
    vars(parts()).update(engine_database=database, queues=StageQueues(sqs, parts().settings.queue_prefix))
    done = []
    for _ in range(count):
        database.waited_s, database.statements, sqs.sent = 0.0, 0, 0
        cpu_s = database.cpu_s()
        swept = handler({}, Context())
        if not database.statements:
            raise SystemExit(
                "the sweep asked another connection than the one that is timed: see bench.scale.sweeps"
            )
        done.append(
            {
                **swept,
                "database_s": round(database.waited_s, 3),
                "database_cpu_s": round(database.cpu_s() - cpu_s, 3),
                "statements": database.statements,
                "messages": sqs.sent,
            }
        )
    return done


if __name__ == "__main__":
    main()
