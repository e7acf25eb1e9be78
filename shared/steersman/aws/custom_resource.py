"""CloudFormation custom resources whose ServiceToken is the function itself."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from steersman.errors import SteersmanError
from steersman.json import dumps

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]

ANSWER_TIMEOUT_S = 10


def answered(handler: Handler) -> Handler:
    """Let `handler` also serve a custom resource: its result or failure is PUT to the event's ResponseURL.

    Create and Update run the handler; Delete changes nothing. Without a ResponseURL it is called as it is.
    Source: AWS CloudFormation User Guide, "Custom resource request and response objects".
    """

    @wraps(handler)
    def serve(event: dict[str, Any], context: Any) -> dict[str, Any]:
        if "ResponseURL" not in event:
            return handler(event, context)
        try:
            done = {} if event["RequestType"] == "Delete" else handler(event, context)
        except Exception as exc:
            _answer(event, "FAILED", reason=_reason(exc))
            raise
        _answer(event, "SUCCESS")
        return done

    return serve


def _reason(exc: Exception) -> str:
    told = exc.message if isinstance(exc, SteersmanError) else "an unexpected error"
    return f"{type(exc).__name__}: {told}; see the function's log"


def _answer(event: dict[str, Any], status: str, *, reason: str = "") -> None:
    import urllib3

    body = {
        "Status": status,
        "Reason": reason,
        "PhysicalResourceId": event.get("PhysicalResourceId") or event["LogicalResourceId"],
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "Data": {},
    }
    # The signature of the URL covers an empty content type.
    urllib3.PoolManager().request(
        "PUT", event["ResponseURL"], body=dumps(body), headers={"content-type": ""}, timeout=ANSWER_TIMEOUT_S
    )
