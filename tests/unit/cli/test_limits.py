"""The limits commands: what they send, and what they say."""

import json
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from steersman.cli import limits
from steersman.cli.app import app
from steersman.cli.client import Client

FOUND = {
    "project": "default",
    "max_running_stages": 50,
    "updated_by": "address:127.0.0.1",
    "updated_at": "2027-01-15T12:00:00.000Z",
}


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Request]:
    """Return the requests that commands send; each is answered with FOUND."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=FOUND)

    api = Client("http://127.0.0.1:1", transport=httpx.MockTransport(answer))
    monkeypatch.setattr(limits, "client", lambda: api)
    return seen


@pytest.mark.parametrize(("text", "sent"), [("50", 50), ("none", None)])
def test_a_limit_is_set(requests: list[httpx.Request], text: str, sent: Any) -> None:
    """A number is the limit, and `none` takes it away."""
    result = CliRunner().invoke(
        app, ["limits", "set", "--running-stages", text, "--project", "ours", "--json"]
    )
    assert json.loads(result.stdout) == FOUND
    (request,) = requests
    assert (request.method, request.url.path) == ("PUT", "/v1/projects/ours/limits")
    assert json.loads(request.content) == {"max_running_stages": sent}


@pytest.mark.parametrize("text", ["many", "-1", "1.5", ""])
def test_what_is_no_number_is_refused_before_anything_is_sent(
    requests: list[httpx.Request], text: str
) -> None:
    """Another word is refused with the option's name, and nothing is sent."""
    result = CliRunner().invoke(app, ["limits", "set", "--running-stages", text])
    assert result.exit_code != 0
    assert "limit is not a number" in str(result.exception)
    assert requests == []


def test_a_limit_is_shown(requests: list[httpx.Request]) -> None:
    """`show` asks for the project's limits and prints them."""
    result = CliRunner().invoke(app, ["limits", "show"])
    assert result.exit_code == 0
    assert [request.method for request in requests] == ["GET"]
