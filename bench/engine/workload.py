"""The research DAG: six stages that echo, 200 bytes in and out."""

import json
from typing import Any

from steersman.tasks.template import Template, parse_template
from steersman.tasks.words import Queue

TEMPLATE = "research_dag"
QUEUES = (
    Queue.INTENT,
    Queue.EMBEDDING,
    Queue.WEBSEARCH,
    Queue.EXECUTOR,
    Queue.MODERATOR,
    Queue.RESPONSES,
)
STAGES = len(QUEUES)
INPUT_BYTES = 200
DEADLINE_S = 86_400.0  # the largest run is submitted long before its last task starts
_QUESTION = {
    "type": "object",
    "required": ["question"],
    "properties": {"question": {"type": "string", "minLength": 1, "maxLength": 20_000}},
}


def research_dag() -> Template:
    """Return the template: intent -> {embedding, websearch} -> executor -> moderator -> response."""
    ways = [
        ("intent", Queue.INTENT, []),
        ("embedding", Queue.EMBEDDING, ["intent"]),
        ("websearch", Queue.WEBSEARCH, ["intent"]),
        ("executor", Queue.EXECUTOR, ["embedding", "websearch"]),
        ("moderator", Queue.MODERATOR, ["executor"]),
        ("response", Queue.RESPONSES, ["moderator"]),
    ]
    stages = [
        {"name": name, "queue": queue, "capability": "echo", "needs": needs, "output_schema": _QUESTION}
        for name, queue, needs in ways
    ]
    return parse_template(
        {"name": TEMPLATE, "deadline_s": DEADLINE_S, "input_schema": _QUESTION, "stages": stages}
    )


def task(number: int) -> dict[str, Any]:
    """Return the submission of a task whose input is 200 bytes of JSON."""
    question = f"{number}: where did the lighthouse of Pharos stand? "
    padding = INPUT_BYTES - len(json.dumps({"question": question}, separators=(",", ":")))
    return {"template": TEMPLATE, "input": {"question": question + "." * padding}}


def request(path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return an HTTP API event (payload format 2.0) that posts a body."""
    text = json.dumps(body)
    return {
        "version": "2.0",
        "routeKey": f"POST {path}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "bench", "content-type": "application/json", "content-length": str(len(text))},
        "requestContext": {
            "accountId": "000000000000",
            "http": {"method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"},
            "requestId": "bench",
            "stage": "$default",
        },
        "body": text,
        "isBase64Encoded": False,
    }


def waiting(path: str, wait_s: int) -> dict[str, Any]:
    """Return an HTTP API event that reads a task, waiting up to `wait_s` for its end."""
    event = request(path, {})
    event["requestContext"]["http"]["method"] = "GET"
    return {
        **event,
        "routeKey": f"GET {path}",
        "rawQueryString": f"wait_s={wait_s}",
        "headers": {"host": "bench"},
        "queryStringParameters": {"wait_s": str(wait_s)},
        "body": None,
    }


class Context:
    """What Lambda tells a handler of its invocation."""

    aws_request_id = "bench"
    function_name = "bench"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:bench"

    def get_remaining_time_in_millis(self) -> int:
        return 120_000  # a stage function's timeout
