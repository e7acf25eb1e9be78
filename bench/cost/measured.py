"""What a task takes, as counted by `make bench` (bench/results/engine.json)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "results" / "engine.json"
API = "api.tasks"
# The runs of `make bench` that are priced; the names of the file.
PRICED = {"batch_100": "submitted 100 at a time", "batch_10": "submitted 10 at a time"}
ALONE = "alone"


class NothingMeasured(Exception):
    """There is no count to price; the message says what to do."""


@dataclass(frozen=True)
class Work:
    """What one task takes on average: counts, CPU seconds of the machine measured on, bytes.

    `requests` are those of the HTTP API, `invocations` those of the stage functions; each `sends` is billed by 64 KiB.
    """

    title: str
    tasks_per_s: float
    requests: float
    invocations: float
    function_cpu_s: float
    postgres_cpu_s: float
    statements: float
    redis_round_trips: float
    redis_commands: float
    sends: float
    receives: float
    deletes: float
    sent_bytes: float
    wal_bytes: float
    log_bytes: float

    @property
    def queue_requests(self) -> float:
        """SQS requests of all kinds."""
        return self.sends + self.receives + self.deletes

    def told(self) -> dict[str, float]:
        """Return the counts for the results file."""
        return {name: round(value, 6) for name, value in vars(self).items() if name != "title"}


def work_of(title: str, run: Mapping[str, Any]) -> Work:
    """Return what a task took in a run of `bench.engine`. Raises KeyError for a figure that is not in it."""
    each, spent, functions = run["per_task"], run["cpu_s_per_1000_tasks"], run["functions"]
    tasks = run["tasks"]
    invocations = sum(one["invocations"] for name, one in functions.items() if name != API)
    return Work(
        title=title,
        tasks_per_s=run["tasks_per_s"],
        requests=functions[API]["invocations"] / tasks,
        invocations=invocations / tasks,
        function_cpu_s=(spent["workers"] + spent["submitter"]) / 1000,
        postgres_cpu_s=spent["postgres"] / 1000,
        statements=each["sql_statements"],
        redis_round_trips=each["redis_round_trips"],
        redis_commands=each["redis_commands"],
        sends=each["sqs_send_units"],
        receives=each["sqs_receive_calls"],
        deletes=each["sqs_delete_calls"],
        sent_bytes=each["sqs_sent_bytes"],
        wal_bytes=each["wal_bytes"],
        log_bytes=each["log_bytes"],
    )


def read(file: Path = FILE) -> tuple[dict[str, Work], dict[str, Any]]:
    """Return what was counted, by run, and the file's date and machine. Raises NothingMeasured."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        works = {name: work_of(title, document["runs"][name]) for name, title in PRICED.items()}
    except FileNotFoundError:
        raise NothingMeasured(f"{file} is not there: run `make bench` first") from None
    except KeyError as exc:
        raise NothingMeasured(f"{file} has no {exc}: run `make bench` again") from None
    return works, {name: document[name] for name in ("date", "machine")}
