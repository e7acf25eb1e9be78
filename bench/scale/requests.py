"""What is asked of the handlers: events of API Gateway, drawn anew for each request."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from bench.scale import history
from steersman.http import cursors
from steersman.ids import first_id_at

Query = Mapping[str, str]
Draw = Callable[[random.Random], Query]


class Context:
    """What Lambda gives to a handler beside the event."""

    aws_request_id = "bench"
    function_name = "bench"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:bench"


@dataclass(frozen=True)
class Listing:
    """A way to list tasks."""

    name: str
    draw: Draw


def event(path: str, query: Query | None = None) -> dict[str, Any]:
    """Return a GET as the HTTP API (payload 2.0) hands it to a function."""
    made: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"GET {path}",
        "rawPath": path,
        "rawQueryString": urlencode(query or {}),
        "headers": {"host": "bench", "accept": "*/*"},
        "requestContext": {
            "http": {"method": "GET", "path": path, "sourceIp": "127.0.0.1", "protocol": "HTTP/1.1"},
            "stage": "$default",
            "requestId": "bench",
            "accountId": "000000000000",
        },
        "isBase64Encoded": False,
    }
    return {**made, "queryStringParameters": dict(query)} if query else made


def listings() -> list[Listing]:
    """Return every way to list tasks: each filter, common and rare values of it, and pages far back."""

    def always(**query: str) -> Draw:
        return lambda _: query

    def some_moment(rng: random.Random) -> datetime:
        return datetime.now(UTC) - timedelta(seconds=rng.uniform(1, history.DAYS * 86_400 - 1))

    def cursor(rng: random.Random) -> str:
        return cursors.encode("tasks", str(UUID(int=first_id_at(some_moment(rng)).int | 7 << 76)))

    def times(rng: random.Random) -> Query:
        moment = some_moment(rng)
        return {
            "created_after": (moment - timedelta(hours=6)).isoformat(),
            "created_before": moment.isoformat(),
        }

    return [
        Listing("list", always()),
        Listing("list_of_200", always(limit="200")),
        Listing("list_deep_cursor", lambda rng: {"cursor": cursor(rng)}),
        Listing("list_project_with_few", always(project="pilot")),
        Listing("list_project_with_few_deep", lambda rng: {"project": "pilot", "cursor": cursor(rng)}),
        Listing("list_status_common", always(status="completed")),
        Listing("list_status_rare", lambda rng: {"status": rng.choice(["failed", "cancelled"])}),
        Listing("list_status_open", lambda rng: {"status": rng.choice(["pending", "running", "retrying"])}),
        Listing("list_status_deep_cursor", lambda rng: {"status": "failed", "cursor": cursor(rng)}),
        Listing("list_template_common", always(template="research_dag")),
        Listing("list_template_rare", always(template="incident")),
        Listing("list_template_absent", always(template="nothing")),
        Listing("list_priority_common", always(priority="medium")),
        Listing("list_priority_rare", always(priority="emergency")),
        Listing("list_priority_rare_in_few", always(priority="emergency", project="pilot")),
        Listing("list_priority_rare_deep", lambda rng: {"priority": "emergency", "cursor": cursor(rng)}),
        Listing("list_label_common", lambda rng: {"label": f"team:team-{rng.randrange(40)}"}),
        Listing(
            "list_label_rare", lambda rng: {"label": f"customer:c{rng.randrange(history.CUSTOMERS):04d}"}
        ),
        Listing("list_label_absent", always(label="customer:nobody")),
        Listing("list_time_range", times),
        Listing("list_status_and_priority", always(status="failed", priority="critical")),
        Listing(
            "list_status_and_label",
            lambda rng: {"status": "failed", "label": f"team:team-{rng.randrange(40)}"},
        ),
        Listing("list_status_and_template", always(status="cancelled", template="weekly_digest")),
    ]
