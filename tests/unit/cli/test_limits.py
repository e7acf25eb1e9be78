"""The limits commands: what they send, and what they say."""

import json
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from steersman.cli import limits
from steersman.cli.app import app
from steersman.cli.client import Client
from steersman.errors import InvalidInput
from tests.unit.cli.screen import printed

FOUND = {
    "project": "default",
    "max_running_stages": 50,
    "usd_per_day": "12.500000",
    "tokens_per_day": None,
    "today": {"usd": "3.2", "tokens": 41000, "until": "2027-01-16T00:00:00.000Z"},
    "waiting_stages": 1200,
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


KEPT = {"max_running_stages": 50, "usd_per_day": "12.500000", "tokens_per_day": None}


@pytest.mark.parametrize(
    ("option", "text", "changed"),
    [
        ("--running-stages", "5", {"max_running_stages": 5}),
        ("--running-stages", "none", {"max_running_stages": None}),
        ("--usd-per-day", "0.25", {"usd_per_day": "0.25"}),
        ("--usd-per-day", "none", {"usd_per_day": None}),
        ("--tokens-per-day", "1000000", {"tokens_per_day": 1_000_000}),
    ],
)
def test_what_is_named_is_changed_and_the_rest_kept(
    requests: list[httpx.Request], option: str, text: str, changed: dict[str, Any]
) -> None:
    """A number is the limit, `none` takes it away, and limits that are not named are sent as they were."""
    result = CliRunner().invoke(app, ["limits", "set", option, text, "--project", "ours", "--json"])
    assert json.loads(result.stdout) == FOUND
    read, sent = requests
    assert {(one.method, one.url.path) for one in (read, sent)} == {
        ("GET", "/v1/projects/ours/limits"),
        ("PUT", "/v1/projects/ours/limits"),
    }
    assert json.loads(sent.content) == {**KEPT, **changed}


@pytest.mark.parametrize(
    ("option", "text"),
    [
        (one, text)
        for one in ("--running-stages", "--tokens-per-day")
        for text in ("many", "-1", "1.5", "", "²")
    ]
    + [("--usd-per-day", text) for text in ("a lot", "-1", "1,5", "", "1e3", "nan")],
)
def test_what_is_no_number_is_refused_before_anything_is_sent(
    requests: list[httpx.Request], option: str, text: str
) -> None:
    """Another word is refused with the option's name, and nothing is sent."""
    result = CliRunner().invoke(app, ["limits", "set", option, text])
    assert isinstance(result.exception, InvalidInput)
    assert result.exception.faults[0].field == option
    assert requests == []


def test_a_change_of_nothing_is_refused(requests: list[httpx.Request]) -> None:
    """`set` without a limit says which there are, and sends nothing."""
    result = CliRunner().invoke(app, ["limits", "set"])
    assert isinstance(result.exception, InvalidInput)
    assert "--usd-per-day" in result.exception.faults[0].reason
    assert requests == []


def test_what_is_spent_and_waits_is_told(
    requests: list[httpx.Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person sees each limit beside what was spent of it today, and how many stages wait until when."""
    text = printed(monkeypatch, lambda: CliRunner().invoke(app, ["limits", "show"]))
    assert [request.method for request in requests] == ["GET"]
    for told in (
        "12.500000",
        "3.2",
        "41,000",
        "1,200 stages wait",
        "2027-01-16 00:00:00",
        "address:127.0.0.1",
    ):
        assert told in text
