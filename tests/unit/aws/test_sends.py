"""A boto3 client whose sends are made quicker, answered from botocore's event `before-send`."""

import hashlib
import json
import threading
from collections.abc import Callable
from io import BytesIO
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore import auth
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError

from steersman.aws import sends, signing
from steersman.aws.queues import Delivery, Job
from steersman.bootstrap import Parts
from tests.unit.test_bootstrap import SETTINGS

URL = "https://sqs.eu-central-1.amazonaws.com/123456789012/steersman-test-agent-bulk"
ENTRIES = [
    {"Id": "0", "MessageBody": "a", "DelaySeconds": 0},
    {"Id": "1", "MessageBody": "b", "DelaySeconds": 9},
]
TAKEN = {
    "Id": "0",
    "MessageId": "m",
    "MD5OfMessageBody": hashlib.md5(b"a", usedforsecurity=False).hexdigest(),
}
REFUSED = {"Id": "1", "SenderFault": False, "Code": "InternalError", "Message": "not now"}


class Queue:
    """Notes the requests of a client, and answers them in turn (the last one again and again)."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.requests: list[Any] = []
        self._answers = list(answers)

    def answer(self, request: Any, **_: Any) -> AWSResponse:
        self.requests.append(request)
        status, document = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return AWSResponse(request.url, status, {"x-amzn-requestid": "r"}, _Raw(body))


class _Raw(BytesIO):
    def stream(self, **_: Any) -> Any:
        yield self.read()


def client_of(queue: Queue) -> Any:
    client = boto3.client(
        "sqs",
        region_name="eu-central-1",
        aws_access_key_id="AKID",
        aws_secret_access_key="secret",
        aws_session_token="token",
        config=Config(retries={"mode": "standard", "total_max_attempts": 3}),
    )
    client.meta.events.register("before-send.sqs", queue.answer)
    return client


def send(client: Any) -> Any:
    return client.send_message_batch(QueueUrl=URL, Entries=ENTRIES)


@pytest.fixture
def signers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the classes that sign from now on, in order."""
    used: list[str] = []

    def note(sign: Callable[..., None]) -> Callable[..., None]:
        def add_auth(self: SigV4Auth, request: Any) -> None:
            used.append(type(self).__name__)
            sign(self, request)

        return add_auth

    monkeypatch.setattr(auth.SigV4Auth, "add_auth", note(auth.SigV4Auth.add_auth))
    return used


def test_what_is_sent_is_what_botocore_sends(signers: list[str]) -> None:
    """The body and every header but those of time and try are the same, and our signer signed."""
    plain, quick = Queue((200, {"Successful": [TAKEN]})), Queue((200, {"Successful": [TAKEN]}))
    send(client_of(plain))
    send(sends.quicken(client_of(quick)))
    assert signers == ["SigV4Auth", signing.QuickSigV4Auth.__name__]
    of_a_try = {"X-Amz-Date", "Authorization", "amz-sdk-invocation-id"}
    first, second = plain.requests[0], quick.requests[0]
    assert (first.method, first.url, first.body) == (second.method, second.url, second.body)
    assert list(first.headers) == list(second.headers)
    for name in set(first.headers) - of_a_try:
        assert first.headers[name] == second.headers[name]


def test_only_sends_are_changed(signers: list[str]) -> None:
    """Other operations of the client are botocore's, answer and signature."""
    queue = Queue((200, {"Attributes": {"ApproximateNumberOfMessages": "7"}}))
    found = sends.quicken(client_of(queue)).get_queue_attributes(QueueUrl=URL, AttributeNames=["All"])
    assert found["Attributes"] == {"ApproximateNumberOfMessages": "7"}
    assert signers == ["SigV4Auth"]


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        ({"Successful": [TAKEN], "Failed": [REFUSED]}, [REFUSED]),
        ({"Successful": [TAKEN], "Failed": []}, []),
        ({"Successful": [TAKEN], "Failed": None}, []),
        ({"Successful": [TAKEN]}, []),
    ],
)
def test_messages_that_were_not_taken_are_told(answer: dict[str, Any], failed: list[Any]) -> None:
    """Of an answer every message under `Failed` arrives, and what was taken is left out."""
    told = send(sends.quicken(client_of(Queue((200, answer)))))
    assert (told.get("Failed", []), told.get("Successful")) == (failed, None)


@pytest.mark.parametrize("body", [b"", b"<html/>", b"[]", b"7", b"null", b"\xff"])
def test_an_answer_that_is_not_sqs_s_is_botocore_s_to_judge(body: bytes) -> None:
    """Whatever comes with status 200 has the outcome that it has with botocore alone."""
    assert _outcome(sends.quicken(client_of(Queue((200, body))))) == _outcome(client_of(Queue((200, body))))


def _outcome(client: Any) -> Any:
    try:
        told = send(client)
    except Exception as exc:  # noqa: BLE001  which one is what is compared
        return type(exc), str(exc)
    return {name: value for name, value in told.items() if name != "ResponseMetadata"}


def test_an_error_is_botocore_s(signers: list[str]) -> None:
    """A refused call raises what botocore raises, with the code of SQS."""
    error = {"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "no such queue"}
    with pytest.raises(ClientError, match="no such queue") as caught:
        send(sends.quicken(client_of(Queue((400, error)))))
    assert caught.value.response["Error"]["Code"] == "QueueDoesNotExist"
    assert len(signers) == 1


def test_a_retry_is_botocore_s_and_signed_anew(signers: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """When SQS is away for a moment the call is made again, with one signature of its own."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    queue = Queue((503, {"__type": "ServiceUnavailable"}), (200, {"Successful": [TAKEN]}))
    assert send(sends.quicken(client_of(queue)))["ResponseMetadata"]["RetryAttempts"] == 1
    assert signers == [signing.QuickSigV4Auth.__name__] * 2
    assert all(list(request.headers).count("Authorization") == 1 for request in queue.requests)


def test_the_functions_send_quickly_and_side_by_side(
    signers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queues that functions are given make their calls at once, each with our signature."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    meeting, queue = threading.Barrier(2, timeout=10), Queue((200, {"Successful": [TAKEN]}))

    def answer(request: Any, **_: Any) -> AWSResponse:
        meeting.wait()
        return queue.answer(request)

    queues = Parts(SETTINGS).queues
    client: Any = queues._client
    client.meta.events.register("before-send.sqs", answer)
    queues.send([Delivery(name, "standard", Job(uuid4(), "a", 1)) for name in ("embedding", "websearch")])
    assert signers == [signing.QuickSigV4Auth.__name__] * 2
