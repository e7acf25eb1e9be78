"""What the functions' own log lines say: how often each was called, and where the time of a call went."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config

from steersman.local.emulator import aws_environment

_GROUPS = "/aws/lambda/steersman-local-"
_REPORT = re.compile(r"^REPORT .*?Duration: (\d+) ms")


@dataclass
class Calls:
    """The calls of one function. Seconds: of calls as the emulator saw them, and within the stage handlers."""

    calls: int = 0
    seconds: float = 0.0
    handler_s: float = 0.0
    messages: int = 0
    jobs: int = 0
    largest: int = 0
    warnings: dict[str, int] = field(default_factory=dict)

    def add(self, line: str) -> None:
        """Count a log line: the emulator's report of a call, a stage's batch, or a warning."""
        if report := _REPORT.match(line):
            self.calls += 1
            self.seconds += int(report[1]) / 1000
            return
        fact = _fact(line)
        if fact.get("message") == "batch":
            jobs = int(fact["counts"].get("claimed", 0))
            self.handler_s += fact["duration_ms"] / 1000
            self.messages += fact["messages"]
            self.jobs += jobs
            self.largest = max(self.largest, jobs)
        elif fact.get("level") in {"WARNING", "ERROR", "CRITICAL"}:
            message = str(fact.get("message"))
            self.warnings[message] = self.warnings.get(message, 0) + 1


def calls_since(cloud_port: int, after_ms: int) -> dict[str, Calls]:
    """Return what each function did since a moment (epoch milliseconds), from its log group."""
    logs = _logs(cloud_port)
    groups = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=_GROUPS)
    names = [group["logGroupName"] for page in groups for group in page["logGroups"]]
    found = {name.removeprefix(_GROUPS): _calls(_lines(logs, name, after_ms)) for name in names}
    return {name: calls for name, calls in sorted(found.items()) if calls.calls}


def _calls(lines: Iterable[str]) -> Calls:
    calls = Calls()
    for line in lines:
        calls.add(line)
    return calls


def _lines(logs: Any, group: str, after_ms: int) -> Iterator[str]:
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=after_ms)
    for page in pages:
        for event in page["events"]:
            yield event["message"]


def _fact(line: str) -> Mapping[str, Any]:
    if not line.startswith("{"):
        return {}
    try:
        fact = json.loads(line)
    except ValueError:
        return {}
    return fact if isinstance(fact, dict) else {}


def _logs(cloud_port: int) -> Any:
    given = aws_environment(cloud_port)
    return boto3.client(
        "logs",
        endpoint_url=given["AWS_ENDPOINT_URL"],
        aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
        region_name=given["AWS_REGION"],
        config=Config(proxies={}, read_timeout=120),
    )
