"""What an operator asks of the API: its requests, each written down before it is sent and when it is answered."""

import time
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

from bench.chaos.history import Cancel, Order
from bench.chaos.http_events import answer_of, request
from bench.chaos.journal import Journal, Record, read

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


class Desk:
    """Gives orders, once each; `key` makes an Idempotency-Key that no other process makes."""

    def __init__(self, journal: Journal, name: str) -> None:
        self._journal = journal
        self._name = name
        self._numbers = count(1)

    def key(self) -> str:
        return f"{self._name}-{next(self._numbers)}"

    def give(self, handler: Handler, order: Mapping[str, Any], expected: set[int]) -> None:
        """Send an order; raise RuntimeError when it is refused in a way that nobody foresaw."""
        number = next(self._numbers)
        self._journal.write({"order": number, "asked_at": time.monotonic(), **order["facts"]})
        status, body = answer_of(handler(order["event"], None))
        done = body if isinstance(body, dict) and status in {200, 202} else {}
        record = {"order": number, "answered_at": time.monotonic(), "status": status}
        self._journal.write({**record, "task_status": done.get("status"), "made": done.get("id")})
        if status < 500 and status not in expected:
            raise RuntimeError(f"{order['facts']} was answered with {status}: {body}")


def raised(task_id: str, limits: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the order to change limits of a task."""
    event = request(
        "PATCH",
        f"/v1/tasks/{task_id}",
        route="/v1/tasks/{task_id}",
        parameters={"task_id": task_id},
        body={"constraints": limits},
    )
    return {"event": event, "facts": {"what": "raise", "task_id": task_id}}


def asked() -> dict[str, Any]:
    """Return the request for what waits for an answer."""
    return request("GET", "/v1/approvals", route="/v1/approvals", query={"limit": "200"})


def answered(task_id: str, stage: str, key: str, *, approved: bool) -> Mapping[str, Any]:
    """Return the order to answer a stage; its key is the answer's comment, by which it is known again."""
    event = request(
        "POST",
        f"/v1/tasks/{task_id}/stages/{stage}/answer",
        route="/v1/tasks/{task_id}/stages/{stage}/answer",
        parameters={"task_id": task_id, "stage": stage},
        body={"approved": approved, "comment": key},
        key=key,
    )
    facts = {"what": "answer", "task_id": task_id, "stage": stage, "key": key, "approved": approved}
    return {"event": event, "facts": facts}


def of_task(task_id: str, what: str, key: str) -> Mapping[str, Any]:
    """Return the order to pause, resume or cancel a task."""
    event = request(
        "POST",
        f"/v1/tasks/{task_id}/{what}",
        route=f"/v1/tasks/{{task_id}}/{what}",
        parameters={"task_id": task_id},
        body={},
        key=key,
    )
    return {"event": event, "facts": {"what": what, "task_id": task_id}}


def paused(scope: str, name: str, key: str) -> Mapping[str, Any]:
    """Return the order to pause a template or a queue."""
    event = request("POST", "/v1/pauses", route="/v1/pauses", body={"scope": scope, "name": name}, key=key)
    return {"event": event, "facts": {"what": "pause", "scope": scope, "name": name}}


def resumed(scope: str, name: str) -> Mapping[str, Any]:
    """Return the order to end the pause of a template or a queue."""
    event = request(
        "DELETE",
        f"/v1/pauses/{scope}/{name}",
        route="/v1/pauses/{scope}/{name}",
        parameters={"scope": scope, "name": name},
    )
    return {"event": event, "facts": {"what": "resume", "scope": scope, "name": name}}


def given(journals: Iterable[Path], moved_s: float) -> list[Order]:
    """Return all orders of journals; `moved_s` makes seconds since 1970 of monotonic ones."""
    found = []
    for path in journals:
        asked_for: dict[int, Record] = {}
        for record in read(path):
            asked_for.setdefault(record["order"], {}).update(record)
        found += [_order(record, moved_s) for record in asked_for.values() if "asked_at" in record]
    return sorted(found, key=lambda order: order.asked_at)


def cancels(orders: Iterable[Order]) -> list[Cancel]:
    """Return the answered cancellations among orders."""
    return [
        Cancel(task_id=order.task_id, http_status=order.status, task_status=order.task_status)
        for order in orders
        if order.what == "cancel" and order.task_id is not None and order.status is not None
    ]


def _order(record: Record, moved_s: float) -> Order:
    answered_at = record.get("answered_at")
    return Order(
        what=record["what"],
        asked_at=record["asked_at"] + moved_s,
        answered_at=None if answered_at is None else answered_at + moved_s,
        status=record.get("status"),
        task_status=record.get("task_status"),
        task_id=UUID(record["task_id"]) if "task_id" in record else None,
        stage=record.get("stage"),
        scope=record.get("scope"),
        name=record.get("name"),
        key=record.get("key"),
        approved=record.get("approved"),
        made=UUID(record["made"]) if record.get("made") else None,
        limits=record.get("limits"),
    )
