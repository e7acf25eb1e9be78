"""The commands for schedules, and the report of `templates validate`, against the real functions."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from steersman.cli import failures, schedules, show, work
from steersman.cli.app import app
from steersman.cli.client import Client
from steersman.local.errors import LocalCloudError
from tests.fixtures.engine import stage
from tests.fixtures.functions import Functions
from tests.unit.cli.screen import printed

Command = Callable[..., str]
ASK = ("-t", "quick_answer", "-i", '{"question": "why?"}')


def transport(functions: Functions) -> httpx.MockTransport:
    """Carry the client's requests to the functions."""

    def answer(request: httpx.Request) -> httpx.Response:
        found = functions.http(
            request.method,
            request.url.path,
            request.content.decode() or None,
            headers={name: value for name, value in request.headers.items() if name != "content-length"},
            **dict(request.url.params),  # type: ignore[arg-type]
        )
        return httpx.Response(found.status, headers=found.headers, text=found.text)

    return httpx.MockTransport(answer)


@pytest.fixture
def steersman(functions: Functions, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command line and return what it prints; it must leave with `code`."""
    client = Client("http://steersman.test", transport=transport(functions))
    for module in (schedules, work):
        monkeypatch.setattr(module, "client", lambda: client)

    def run(*words: str, code: int = 0) -> str:
        def action() -> None:
            assert failures.run(lambda: app(words, standalone_mode=False)) == code, show.err.file

        return printed(monkeypatch, action)

    return run


def test_a_schedule_lives_its_life_by_commands(steersman: Command, functions: Functions) -> None:
    """create, list, show, pause, resume, run and delete do what they say, by the schedule's name."""
    told = steersman(
        "schedules", "create", "nightly", *ASK, "--cron", "0 2 * * *", "--timezone", "Asia/Kolkata",
        "--label", "batch:night", "--overlap", "skip",
    )  # fmt: skip
    assert "0 2 * * * Asia/Kolkata" in told
    assert told.count(" 20:30:00") == 5
    assert "nightly" in steersman("schedules", "list")
    assert "nightly (paused)" in steersman("schedules", "pause", "nightly")
    paused = json.loads(steersman("schedules", "show", "nightly", "--json"))
    assert (paused["next_times"], paused["labels"], paused["overlap"]) == ([], {"batch": "night"}, "skip")
    assert steersman("schedules", "resume", paused["id"]).count(" 20:30:00") == 5
    task_id = steersman("schedules", "run", "nightly").strip()
    assert functions.http("GET", f"/v1/tasks/{task_id}").json["requested_through"] == "cli"
    assert steersman("schedules", "delete", "nightly") == "nightly is deleted\n"
    assert "no schedules" in steersman("schedules", "list")
    assert "there is no schedule" in steersman(
        "schedules", "show", "01900000-0000-7000-8000-000000000009", code=3
    )


def test_a_schedule_s_trouble_is_shown(steersman: Command, functions: Functions) -> None:
    """Why the last time came to nothing is told with its time and fields; so is a time that was left out."""
    steersman("schedules", "create", "hourly", *ASK, "--rate", "1 hour")
    functions.parts.database.run(
        "UPDATE schedules SET template_name = 'gone', next_at = now() - interval '1 s'"
    )
    assert functions.parts.due_schedules.fire() == 0
    assert "invalid_input" in steersman("schedules", "list")
    assert "template: there is no template 'gone'" in steersman("schedules", "show", "hourly")
    functions.parts.database.run(
        "UPDATE schedules SET next_at = now() - interval '5 hours', catch_up = 'none', last_error = NULL"
    )
    assert functions.parts.due_schedules.fire() == 0
    assert "left out" in steersman("schedules", "list")
    assert "left out: several times had passed unseen" in steersman("schedules", "show", "hourly")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((*ASK, "--cron", "0 0 31 2 *"), "cron: '0 0 31 2 *' never comes"),
        ((*ASK, "--rate", "10 seconds"), "rate: must be a number of minutes"),
        (ASK, "cron: give cron, as in '0 2 * * *', or rate"),
        (("-t", "quick_answer", "--rate", "1 hour"), "--input: give the input of its tasks as JSON"),
        ((*ASK, "--rate", "1 hour", "--label", "x"), "--label: 'x' is not key:value"),
        ((*ASK, "--rate", "1 hour", "--timezone", "Mars"), "timezone: there is no time zone 'Mars'"),
    ],
)
def test_bad_input_is_refused_by_name(
    steersman: Command, words: tuple[str, ...], told: str, functions: Functions
) -> None:
    """What is wrong is named with the field and what to do, with exit code 3; nothing is stored."""
    assert told in " ".join(steersman("schedules", "create", "mine", *words, code=3).split())
    assert functions.rows("schedules") == 0


def test_an_input_may_come_from_a_file(steersman: Command, tmp_path: Path) -> None:
    """--input-file holds the input as JSON."""
    file = tmp_path / "input.json"
    file.write_text('{"question": "how?"}')
    found = steersman(
        "schedules", "create", "mine", "-t", "quick_answer", "--input-file", str(file), "--rate", "1 day", "--json"
    )  # fmt: skip
    assert json.loads(found)["input"] == {"question": "how?"}


def test_validate_says_what_publishing_would_mean(
    steersman: Command, functions: Functions, tmp_path: Path
) -> None:
    """The report names changes, open tasks and schedules with what their input breaks; --json has all of it."""

    def write(*stages: dict[str, Any], **more: Any) -> str:
        (tmp_path / "mine.json").write_text(json.dumps({"name": "mine", "stages": stages, **more}))
        return str(tmp_path / "mine.json")

    file = write(stage("a"))
    assert "it would be the first version" in steersman("templates", "validate", file)
    steersman("templates", "publish", file)
    steersman("tasks", "submit", "-t", "mine", "-i", "{}")
    for name, more in (("follows", ()), ("stays", ("--version", "1"))):
        steersman("schedules", "create", name, "-t", "mine", "-i", "{}", "--rate", "1 hour", *more)
    file = write(stage("a"), stage("b", "a"), input_schema={"required": ["id"]})
    told = steersman("templates", "validate", file)
    for words in (
        "mine is valid: 2 stages", "against version 1", "added", "open on version 1, and will end on it: 1 pending",
        "schedules that will run the new version", "will be refused: input: \"id\" is a required property",
        "schedules that stay on their version",
    ):  # fmt: skip
        assert words in told
    report = json.loads(steersman("templates", "validate", file, "--json"))["report"]
    assert [one["name"] for one in report["following"]] == ["follows"]
    assert functions.http("GET", "/v1/templates/mine/versions/2").status == 404


def test_validate_needs_no_cloud(steersman: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no API can be reached a template is checked all the same, and what is not known is said."""
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"name": "mine", "stages": [stage("a")]}))

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    away = Client("http://steersman.test", transport=httpx.MockTransport(refuse))
    monkeypatch.setattr(work, "client", lambda: away)
    told = steersman("templates", "validate", str(file))
    assert "mine is valid: 1 stages" in told
    assert "is not known: the API at http://steersman.test cannot be reached" in told

    def nowhere() -> Client:
        raise LocalCloudError("the local cloud is not up")

    monkeypatch.setattr(work, "client", nowhere)
    assert "told where the API can be reached" in steersman("templates", "validate", str(file))
