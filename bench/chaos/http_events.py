"""Requests as API Gateway's HTTP API gives them to a function (payload format 2.0)."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from steersman.json import dumps_text, loads


def request(
    method: str,
    path: str,
    *,
    route: str,
    parameters: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    body: Any = None,
    key: str | None = None,
) -> dict[str, Any]:
    """Return the event of one request; `route` is the gateway's route key without the method."""
    headers = {"content-type": "application/json", "user-agent": "chaos", "host": "api.invalid"}
    if key is not None:
        headers["idempotency-key"] = key
    http = {
        "method": method,
        "path": path,
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "chaos",
    }
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{method} {route}",
        "rawPath": path,
        "rawQueryString": "&".join(f"{name}={value}" for name, value in (query or {}).items()),
        "headers": headers,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "chaos",
            "http": http,
            "requestId": str(uuid4()),
            "routeKey": f"{method} {route}",
            "stage": "$default",
        },
        "pathParameters": dict(parameters or {}) or None,
        "isBase64Encoded": False,
    }
    if query:
        event["queryStringParameters"] = dict(query)
    if body is not None:
        event["body"] = dumps_text(body)
    return event


def answer_of(response: Mapping[str, Any]) -> tuple[int, Any]:
    """Return the status and the JSON body of a handler's response."""
    body = response.get("body")
    return int(response["statusCode"]), loads(body) if body else None
