"""The sending half: botocore's calls to SQS answered from its event `before-send`, messages put into Redis."""

import time
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import orjson
import redis
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError

from bench.sqs import streams
from bench.sqs.faults import Entry, Failure, SenderFaults
from bench.sqs.streams import Message

CALL_ENTRIES = 10
CALL_BYTES = 1024 * 1024
UNIT_BYTES = 64 * 1024  # SQS bills a call by 64 KiB
_EVENT = "before-send.sqs"
_TARGET = "AmazonSQS."


def install(client: Any, redis_url: str, faults: SenderFaults | None = None) -> "Sender":
    """Have a boto3 SQS client, or every one that a boto3 session makes from now on, send into Redis.

    `redis_url` is the queues' own server. Give the client any credentials and region; queue URLs end in the
    queue's name. SendMessage and SendMessageBatch are known; other calls are answered with an error.
    """
    sender = Sender(redis_url, faults or SenderFaults())
    events = client.meta.events if hasattr(client, "meta") else client.events
    events.register(_EVENT, sender.answer)
    return sender


class Sender:
    """Answers botocore's calls; safe to share between threads."""

    def __init__(self, redis_url: str, faults: SenderFaults) -> None:
        self._redis = redis.Redis.from_url(redis_url, protocol=2)
        self._send = self._redis.register_script(streams.SEND)
        self._faults = faults

    def answer(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        """Answer one try of a call, as botocore's handlers of `before-send` may."""
        operation = _text(request.headers["X-Amz-Target"]).removeprefix(_TARGET)
        body = orjson.loads(request.body)
        if operation == "SendMessageBatch":
            return self._batch(request, body["QueueUrl"], body["Entries"])
        if operation == "SendMessage":
            return self._single(request, body)
        return _error(request, 400, "UnsupportedOperation", f"{operation} is not stood in for")

    def _single(self, request: AWSPreparedRequest, body: Mapping[str, Any]) -> AWSResponse:
        answer = self._batch(request, body["QueueUrl"], [{**body, "Id": "0"}])
        if answer.status_code != 200:
            return answer
        told = orjson.loads(answer.content)
        if told["Failed"]:
            return _error(request, 503, "ServiceUnavailable", "the message was not taken")
        taken = told["Successful"][0]
        return _respond(request, 200, {name: taken[name] for name in ("MessageId", "MD5OfMessageBody")})

    def _batch(self, request: AWSPreparedRequest, url: str, entries: Sequence[Entry]) -> AWSResponse:
        queue = url.rpartition("/")[2]
        size = sum(len(entry["MessageBody"].encode()) for entry in entries)
        if len(entries) > CALL_ENTRIES:
            return _error(request, 400, "TooManyEntriesInBatchRequest", f"more than {CALL_ENTRIES} entries")
        if size > CALL_BYTES:
            return _error(request, 400, "BatchRequestTooLong", f"more than {CALL_BYTES} bytes")
        failure = self._faults.fail_call(queue, entries)
        if failure is Failure.UNAVAILABLE:
            return _error(request, 503, "ServiceUnavailable", "a fault was asked for")
        if failure is Failure.DENIED:
            return _error(request, 403, "AccessDenied", "a fault was asked for")
        refused = frozenset(self._faults.fail_entries(queue, entries))
        answer = self._store(request, queue, [e for e in entries if e["Id"] not in refused], size)
        if failure is Failure.ANSWER_LOST:
            raise ConnectionClosedError(endpoint_url=request.url)
        answer["Failed"] = [_failed(entry) for entry in entries if entry["Id"] in refused]
        return _respond(request, 200, answer)

    def _store(
        self, request: AWSPreparedRequest, queue: str, entries: Sequence[Entry], size: int
    ) -> dict[str, Any]:
        now = time.time_ns() // 1_000_000
        first = "attempt=1" in _text(request.headers.get("amz-sdk-request", "attempt=1"))
        arguments: list[Any] = [int(first), size, max(1, -(-size // UNIT_BYTES))]
        taken = []
        for entry in entries:
            message = Message.new(entry["MessageBody"], now)
            arguments += [int(entry.get("DelaySeconds") or 0) * 1000, message.packed()]
            taken.append({"Id": entry["Id"], "MessageId": message.id, "MD5OfMessageBody": message.md5})
        keys = [streams.stream(queue), streams.delayed(queue), streams.COUNTS]
        try:
            self._send(keys=keys, args=arguments)
        except redis.RedisError as exc:
            raise EndpointConnectionError(endpoint_url=request.url, error=exc) from exc
        return {"Successful": taken}


class _Body(BytesIO):
    """The body of an answer as botocore reads it from urllib3."""

    def stream(self, **_: Any) -> Any:
        yield self.read()


def _respond(request: AWSPreparedRequest, status: int, document: Mapping[str, Any]) -> AWSResponse:
    body = orjson.dumps(document)
    headers = {"Content-Type": "application/x-amz-json-1.0", "Content-Length": str(len(body))}
    return AWSResponse(request.url, status, headers, _Body(body))


def _error(request: AWSPreparedRequest, status: int, code: str, message: str) -> AWSResponse:
    return _respond(request, status, {"__type": f"com.amazonaws.sqs#{code}", "message": message})


def _failed(entry: Entry) -> dict[str, Any]:
    return {
        "Id": entry["Id"],
        "SenderFault": False,
        "Code": "InternalError",
        "Message": "a fault was asked for",
    }


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
