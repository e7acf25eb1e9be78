"""A function as a CloudFormation custom resource."""

import json
from typing import Any

import pytest
import urllib3

from steersman.aws.custom_resource import answered
from steersman.aws.database_tokens import token_source
from steersman.errors import Unavailable

EVENT = {
    "RequestType": "Create",
    "ResponseURL": "https://answers.example/x?sig=1",
    "StackId": "stack",
    "RequestId": "request",
    "LogicalResourceId": "Migration",
}


class Answers:
    """Stands for the pool that PUTs answers; keeps them."""

    sent: list[dict[str, Any]] = []  # noqa: RUF012 - shared by all pools of a test, on purpose

    def request(self, method: str, url: str, *, body: bytes, headers: dict[str, str], timeout: float) -> None:
        assert (method, url, headers) == ("PUT", EVENT["ResponseURL"], {"content-type": ""})
        self.sent.append(json.loads(body))


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    monkeypatch.setattr(Answers, "sent", [])
    monkeypatch.setattr(urllib3, "PoolManager", Answers)
    return Answers.sent


def test_a_direct_call_is_answered_directly(sent: list[dict[str, Any]]) -> None:
    """Without a ResponseURL the handler's result is returned and nobody else is told."""
    assert answered(lambda event, context: {"got": event["x"]})({"x": 1}, None) == {"got": 1}
    assert sent == []


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_success_is_told(sent: list[dict[str, Any]], kind: str) -> None:
    """Create and Update run the handler and answer SUCCESS under the ids of the request."""
    ran = []
    answered(lambda event, context: ran.append(1) or {})({**EVENT, "RequestType": kind}, None)
    assert ran == [1]
    assert (sent[0]["Status"], sent[0]["RequestId"], sent[0]["PhysicalResourceId"]) == (
        "SUCCESS",
        "request",
        "Migration",
    )


def test_delete_changes_nothing(sent: list[dict[str, Any]]) -> None:
    """Delete answers SUCCESS under the resource's own id and does not run the handler."""

    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        raise AssertionError("must not run")

    answered(handler)({**EVENT, "RequestType": "Delete", "PhysicalResourceId": "kept"}, None)
    assert (sent[0]["Status"], sent[0]["PhysicalResourceId"]) == ("SUCCESS", "kept")


@pytest.mark.parametrize(
    ("error", "reason"),
    [(Unavailable("asleep"), "Unavailable: asleep"), (ValueError("secret"), "ValueError")],
)
def test_a_failure_is_told_and_raised(sent: list[dict[str, Any]], error: Exception, reason: str) -> None:
    """A failing handler answers FAILED with a reason that holds no foreign text, and fails as a function too."""

    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        raise error

    with pytest.raises(type(error)):
        answered(handler)(dict(EVENT), None)
    assert sent[0]["Status"] == "FAILED"
    assert sent[0]["Reason"].startswith(reason)
    assert "secret" not in sent[0]["Reason"]


def test_a_database_token_is_made_for_the_urls_target() -> None:
    """Each password is a new token for host, port and user of the database's URL."""
    asked = []

    class Rds:
        def generate_db_auth_token(self, **target: Any) -> str:
            asked.append(target)
            return f"token {len(asked)}"

    token = token_source(Rds(), "postgresql://app@db.example:6543/steersman")
    assert [token(), token()] == ["token 1", "token 2"]
    assert asked[0] == {"DBHostname": "db.example", "Port": 6543, "DBUsername": "app"}
