"""The commands that answer, pause and change, as they are typed: what they send and what they print."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from steersman.cli import app, approvals, pauses, show, steer, work
from steersman.cli.client import Client
from steersman.errors import InvalidInput
from tests.unit.cli.screen import printed

TASK = "01900000-0000-7000-8000-000000000001"
AT = "2027-01-15T12:00:00.000Z"
ASKED = {
    "task_id": TASK, "stage": "approve", "template": "offer", "template_version": 2, "labels": {}, "ask": "Send it?",
    "by": ["clerk", "chief"], "answer_schema": None, "awaited_at": AT, "until": "2027-01-15T13:00:00.000Z",
}  # fmt: skip
Sent = list[tuple[str, str, Any]]
Type = Callable[..., str]


@pytest.fixture
def sent() -> Sent:
    """Every request that was sent: method, path with its query, body."""
    return []


@pytest.fixture
def answers() -> dict[str, Any]:
    """What the API answers, by method and path; an empty object for all else."""
    return {}


@pytest.fixture
def type_(monkeypatch: pytest.MonkeyPatch, sent: Sent, answers: dict[str, Any]) -> Type:
    """Type a command and return what it prints."""

    def reply(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        sent.append((request.method, str(request.url).removeprefix("http://api"), body))
        found = answers.get(f"{request.method} {request.url.path}", {})
        return httpx.Response(204) if found is None else httpx.Response(200, json=found)

    def new_client() -> Client:
        return Client("http://api", transport=httpx.MockTransport(reply))

    for module in (approvals, pauses, steer, work):
        monkeypatch.setattr(module, "client", new_client)

    def run(*words: str) -> str:
        def command() -> None:
            CliRunner().invoke(app.app, list(words), catch_exceptions=False)

        return printed(monkeypatch, command, width=160)

    return run


def test_questions_are_listed_with_who_may_answer(type_: Type, sent: Sent, answers: dict[str, Any]) -> None:
    """`approvals list` tells what is asked, of whom and until when; where nothing waits it says so."""
    answers["GET /v1/approvals"] = {"approvals": [ASKED], "next_cursor": "more-1"}
    told = type_("approvals", "list", "--task", TASK, "--limit", "1")
    for words in (
        TASK,
        "approve",
        "Send it?",
        "clerk, chief",
        "2027-01-15 13:00:00",
        "offer v2",
        "--cursor more-1",
    ):
        assert words in told
    assert sent == [("GET", f"/v1/approvals?project=default&task_id={TASK}&limit=1", None)]
    answers["GET /v1/approvals"] = {"approvals": [], "next_cursor": None}
    assert "nothing waits for an answer" in type_("approvals", "list")


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (["--yes"], {"approved": True, "answer": {}}),
        (["--no", "--comment", "too dear"], {"approved": False, "answer": {}, "comment": "too dear"}),
        (["--yes", "--answer", '{"limit": 3}'], {"approved": True, "answer": {"limit": 3}}),
    ],
)
def test_an_answer_is_sent_as_it_was_given(
    type_: Type, sent: Sent, answers: dict[str, Any], words: list[str], body: dict[str, Any]
) -> None:
    """`approvals answer` sends yes or no with what else was given, and tells how the task stands."""
    path = f"/v1/tasks/{TASK}/stages/approve/answer"
    answers[f"POST {path}"] = {"id": TASK, "status": "running"}
    told = type_("approvals", "answer", TASK, "approve", *words)
    assert sent == [("POST", path, body)]
    assert f"{TASK} is running: 'approve' was answered {'yes' if body['approved'] else 'no'}" in told


def test_an_answer_needs_a_yes_or_a_no(type_: Type, sent: Sent) -> None:
    """Without --yes or --no nothing is sent: an answer is never a default."""
    type_("approvals", "answer", TASK, "approve")
    assert sent == []


@pytest.mark.parametrize("given", ["[1]", "text", "7"])
def test_an_answer_that_is_no_object_is_refused(type_: Type, sent: Sent, given: str) -> None:
    """What is not a JSON object is refused before anything is sent, and how to write one is shown."""
    with pytest.raises(InvalidInput) as caught:
        type_("approvals", "answer", TASK, "approve", "--yes", "--answer", given)
    assert caught.value.faults[0].field == "--answer"
    assert sent == []


def test_pauses_are_added_listed_and_ended(type_: Type, sent: Sent, answers: dict[str, Any]) -> None:
    """`pauses` sends what is to stand still and why, lists it, and ends it."""
    told = type_("pauses", "add", "queue", "websearch", "--reason", "being moved")
    assert "pauses end queue websearch" in told
    answers["GET /v1/pauses"] = {
        "pauses": [
            {"scope": "queue", "name": "websearch", "by": "me", "reason": "being moved", "created_at": AT}
        ]
    }
    told = type_("pauses", "list")
    assert all(words in told for words in ("queue", "websearch", "2027-01-15 12:00:00", "me", "being moved"))
    answers["DELETE /v1/pauses/queue/websearch"] = None
    assert "queue 'websearch' goes on" in type_("pauses", "end", "queue", "websearch")
    order = {"project": "default", "scope": "queue", "name": "websearch", "reason": "being moved"}
    assert sent == [
        ("POST", "/v1/pauses", order),
        ("GET", "/v1/pauses?project=default", None),
        ("DELETE", "/v1/pauses/queue/websearch?project=default", None),
    ]


def test_tasks_are_paused_resumed_and_changed(type_: Type, sent: Sent, answers: dict[str, Any]) -> None:
    """`tasks pause`, `resume` and `budget` send what was asked for, and tell what became of it."""
    found = {"id": TASK, "status": "running", "constraints": {"budget_usd": "2.50"}}
    for key in (f"POST /v1/tasks/{TASK}/pause", f"POST /v1/tasks/{TASK}/resume", f"PATCH /v1/tasks/{TASK}"):
        answers[key] = found
    assert f"{TASK} is paused" in type_("tasks", "pause", TASK, "--reason", "until noon")
    assert f"{TASK} goes on" in type_("tasks", "resume", TASK)
    assert f"{TASK} is running: budget_usd 2.50" in type_("tasks", "budget", TASK, "--usd", "2.50")
    type_("tasks", "budget", TASK, "--tokens", "5000", "--deadline", "3600")
    assert sent == [
        ("POST", f"/v1/tasks/{TASK}/pause", {"reason": "until noon"}),
        ("POST", f"/v1/tasks/{TASK}/resume", {}),
        ("PATCH", f"/v1/tasks/{TASK}", {"constraints": {"budget_usd": "2.50"}}),
        ("PATCH", f"/v1/tasks/{TASK}", {"constraints": {"budget_tokens": 5000, "deadline_s": 3600.0}}),
    ]


def test_a_change_of_nothing_is_refused(type_: Type, sent: Sent) -> None:
    """`tasks budget` without a limit sends nothing and names the options."""
    with pytest.raises(InvalidInput) as caught:
        type_("tasks", "budget", TASK)
    assert "--usd" in caught.value.faults[0].field
    assert sent == []


def test_items_are_listed(type_: Type, sent: Sent, answers: dict[str, Any]) -> None:
    """`tasks items` tells each item's task, how it stands, why it failed and what it gave."""
    path = f"/v1/tasks/{TASK}/stages/each/tasks"
    answers[f"GET {path}"] = {
        "tasks": [
            {"item": 0, "id": "t-0", "status": "completed", "error": None, "output": {"n": 1}},
            {
                "item": 1,
                "id": "t-1",
                "status": "failed",
                "error": {"message": "no such page"},
                "output": None,
            },
        ],
        "next_cursor": "c-2",
    }
    told = type_("tasks", "items", TASK, "each", "--status", "failed")
    for words in ("t-0", "completed", '{"n":1}', "t-1", "failed", "no such page", "--cursor c-2"):
        assert words in told
    assert sent == [("GET", f"{path}?status=failed&limit=50", None)]


STAGE = {"agent": None, "attempt": 1, "duration_ms": None, "error": None, "next_attempt_at": None, "kind": "agent",
         "awaits_until": None, "tasks": None, "undoes": None}  # fmt: skip
SHOWN = {
    "id": TASK, "status": "awaiting", "template": "offer", "template_version": 2, "project": "default", "error": None,
    "parent_task_id": None, "parent_stage": None, "item": None, "paused": None, "failing": None,
}  # fmt: skip


def test_a_task_says_what_its_stages_wait_for(type_: Type, sent: Sent, answers: dict[str, Any]) -> None:
    """`tasks show` tells who is asked what and until when, what waits for a time or a budget, and how to answer."""
    budget = {
        "code": "budget_spent",
        "message": "the task's budget of 1 USD is spent: raise it, or cancel the task",
    }
    stages = [
        {
            **STAGE,
            "name": "approve",
            "status": "awaiting",
            "kind": "approval",
            "awaits_until": ASKED["until"],
        },
        {
            **STAGE,
            "name": "pause",
            "status": "awaiting",
            "kind": "wait",
            "awaits_until": "2027-02-01T00:00:00.000Z",
        },
        {**STAGE, "name": "each", "status": "running", "tasks": {"started": 20, "open": 8, "failed": 1}},
        {**STAGE, "name": "dear", "status": "awaiting", "error": budget},
        {**STAGE, "name": "flaky", "status": "ready", "error": {"message": "no"}, "next_attempt_at": AT},
        {**STAGE, "name": "refund", "status": "ready", "undoes": "pay"},
    ]
    answers[f"GET /v1/tasks/{TASK}"] = {**SHOWN, "stages": stages}
    answers["GET /v1/approvals"] = {"approvals": [ASKED], "next_cursor": None}
    told = type_("tasks", "show", TASK)
    for words in (
        "asks clerk, chief: Send it?; until 2027-01-15 13:00:00",
        "until 2027-02-01 00:00:00",
        "12 of 20 tasks done, 1 failed",
        "budget of 1 USD is spent: raise it",
        "no; next attempt 2027-01-15 12:00:00",
        "undoes pay",
        f"approvals answer {TASK} approve --yes|--no",
    ):
        assert words in told, told
    assert len(sent) == 2


def test_a_task_says_how_it_stands(type_: Type, sent: Sent, answers: dict[str, Any]) -> None:
    """`tasks show` tells since when, by whom and why a task is paused, why it is undone, and what started it."""
    paused = {"at": AT, "by": "me", "reason": "until noon"}
    failing = {"code": "agent_refused", "message": "no car left", "stage": "car"}
    answers[f"GET /v1/tasks/{TASK}"] = {
        **SHOWN, "paused": paused, "failing": failing, "stages": [{**STAGE, "name": "a", "status": "ready"}],
        "parent_task_id": "t-9", "parent_stage": "each", "item": 3,
    }  # fmt: skip
    told = type_("tasks", "show", TASK)
    assert "paused since 2027-01-15 12:00:00 by me: until noon" in told
    assert "fails, and what it did is undone (agent_refused: no car left)" in told
    assert "started by stage 'each' of task t-9, item 3" in told
    assert len(sent) == 1, "nothing is asked, so nobody looks for questions"


def test_json_is_for_programs(type_: Type, answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """With --json each command prints the API's answer, and nothing else."""
    answers["GET /v1/approvals"] = {"approvals": [ASKED], "next_cursor": None}
    printed_: list[Any] = []
    monkeypatch.setattr(show, "json", printed_.append)
    assert type_("approvals", "list", "--json") == ""
    assert printed_ == [{"approvals": [ASKED], "next_cursor": None}]
