"""SendMessageBatch of a boto3 client for less CPU time, by botocore's own events."""

from typing import Any

from steersman.aws import signing
from steersman.json import dumps, loads

_OPERATION = "sqs.SendMessageBatch"


def quicken(client: Any) -> Any:
    """Return the same SQS client: what it sends is signed faster, and of the answer only `Failed` is read.

    Its other operations, retries, credentials, endpoints and errors are left as they are.
    """
    name = signing.register()

    def choose_signer(signature_version: str, **_: Any) -> str | None:
        return name if signature_version == "v4" else None

    client.meta.events.register(f"choose-signer.{_OPERATION}", choose_signer)
    client.meta.events.register(f"before-parse.{_OPERATION}", _leave_what_failed)
    return client


def _leave_what_failed(response_dict: dict[str, Any], **_: Any) -> None:
    """Take the ids and checksums of messages that were taken, which nobody reads, out of an answer."""
    if response_dict["status_code"] != 200:
        return
    try:
        failed = loads(response_dict["body"]).get("Failed") or []
    except (AttributeError, ValueError):
        return  # not an answer of SQS's: botocore says so
    response_dict["body"] = dumps({"Failed": failed})
