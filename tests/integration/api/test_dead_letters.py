"""Dead letters, reruns, clones and the audit over HTTP."""

from typing import Any
from uuid import UUID

import pytest

from steersman.tasks import unsent_store
from steersman.tasks.resending import resend
from tests.fixtures.functions import Functions
from tests.integration.api.requests import fields_of, with_key

NOBODY = {"name": "try", "queue": "agent", "capability": "no.agent", "retry": {"max_attempts": 1}}
ECHO = {"name": "echo", "queue": "agent", "capability": "echo"}
SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
TEMPLATE = {"name": "two_steps", "input_schema": SCHEMA, "stages": [ECHO, {**NOBODY, "needs": ["echo"]}]}


@pytest.fixture
def failed(functions: Functions) -> str:
    """Return a task whose second stage failed, because no agent could do it."""
    published = functions.http("POST", "/v1/templates", {"template": TEMPLATE})
    assert published.status == 201, published.text
    return submit(functions)


def submit(functions: Functions, **more: Any) -> str:
    answer = functions.http("POST", "/v1/tasks", {"template": "two_steps", "input": {"n": 1}, **more})
    assert answer.status == 202, answer.text
    functions.work()
    task: str = answer.json["id"]
    assert functions.http("GET", f"/v1/tasks/{task}").json["status"] == "failed"
    return task


def letters(functions: Functions, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = functions.http("GET", "/v1/dead-letters", **query).json["dead_letters"]
    return found


def give_ability(functions: Functions) -> None:
    """Have the built-in agent `echo` do what nobody could do."""
    functions.parts.database.run(
        """INSERT INTO agent_capabilities (agent_id, project_id, capability)
           SELECT agent_id, project_id, 'no.agent' FROM agent_capabilities WHERE capability = 'echo'"""
    )
    functions.parts.registry._read_at = None


def test_a_dead_letter_is_browsed_read_and_redriven(functions: Functions, failed: str) -> None:
    """What failed is in the list, is read with its context, and goes on with another input when it is redriven."""
    (letter,) = letters(functions, status="open", template="two_steps", stage="try", error="no_agent")
    assert (letter["task_id"], letter["status"]) == (failed, "open")
    context = functions.http("GET", f"/v1/dead-letters/{letter['id']}").json
    assert (context["input"], context["input_edited"]) == ({"n": 1}, False)
    assert context["lines"][-1]["event"] == "stage.failed"
    assert set(context["results"]) == {"echo"}
    give_ability(functions)
    path = f"/v1/dead-letters/{letter['id']}/redrive"
    answer = functions.http("POST", path, {"input": {"n": 2}})
    assert (answer.status, answer.json["status"]) == (200, "redriven"), answer.text
    functions.work()
    task = functions.http("GET", f"/v1/tasks/{failed}").json
    assert (task["status"], task["output"]) == ("completed", {"n": 2})
    again = functions.http("POST", path, {})
    assert again.status == 409
    assert "redriven already" in again.json["detail"]


def test_a_letter_is_discarded_with_a_reason(functions: Functions, failed: str) -> None:
    """A discard needs its reason; then the letter is out of the open ones and says who and why."""
    (letter,) = letters(functions)
    path = f"/v1/dead-letters/{letter['id']}/discard"
    for body in ({}, {"reason": ""}, {"reason": "   "}, {"reason": "x" * 501}):
        refused = functions.http("POST", path, body)
        assert (refused.status, fields_of(refused)) == (422, ["reason"]), refused.text
    answer = functions.http("POST", path, {"reason": "asked twice"})
    assert answer.json.items() >= {"status": "discarded", "reason": "asked twice"}.items()
    assert letters(functions, status="open") == []
    assert functions.http("POST", path, {"reason": "again"}).status == 409


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/dead-letters/redrive", {"rate_per_s": 0}, "rate_per_s"),
        ("/v1/dead-letters/redrive", {"rate_per_s": 1001}, "rate_per_s"),
        ("/v1/dead-letters/redrive", {"expected": -1}, "expected"),
        ("/v1/dead-letters/redrive", {"project": "nobody"}, "project"),
        ("/v1/dead-letters/redrive", {"failed_after": "yesterday"}, "failed_after"),
        ("/v1/dead-letters/redrive", {"prevew": False}, "prevew"),
        ("/v1/dead-letters/x/redrive", {}, "letter_id"),
        (f"/v1/dead-letters/{UUID(int=7)}/redrive", {"input": "text"}, "input"),
    ],
)
def test_a_wrong_redrive_is_refused_by_field(
    functions: Functions, path: str, body: dict[str, Any], field: str
) -> None:
    """Whatever is wrong is 422 with the field."""
    answer = functions.http("POST", path, body)
    assert (answer.status, fields_of(answer)) == (422, [field]), answer.text


def test_an_input_that_the_task_could_not_have_is_refused(functions: Functions, failed: str) -> None:
    """An edited input is held to the template's schema, by its field."""
    (letter,) = letters(functions)
    answer = functions.http("POST", f"/v1/dead-letters/{letter['id']}/redrive", {"input": {"n": "two"}})
    assert (answer.status, fields_of(answer)) == (422, ["input.n"])
    assert letters(functions, status="open") == [letter]


def test_letters_come_page_by_page(functions: Functions, failed: str) -> None:
    """Pages have every letter once, newest first."""
    tasks = [failed, submit(functions), submit(functions)]
    first = functions.http("GET", "/v1/dead-letters", limit=2).json
    second = functions.http("GET", "/v1/dead-letters", limit=2, cursor=first["next_cursor"]).json
    seen = [letter["task_id"] for letter in [*first["dead_letters"], *second["dead_letters"]]]
    assert seen == tasks[::-1]
    assert second["next_cursor"] is None


def test_many_are_redriven_after_a_preview(functions: Functions, failed: str) -> None:
    """Without `preview: false` nothing happens; with it, and the number that was seen, every task goes on."""
    tasks = [failed, submit(functions)]
    give_ability(functions)
    preview = functions.http("POST", "/v1/dead-letters/redrive", {"error": "no_agent"}).json
    assert (preview["preview"], preview["letters"], preview["redriven_letters"]) == (True, 2, 0)
    assert preview["by_version"] == [{"template": "two_steps", "template_version": 1, "letters": 2}]
    body = {"error": "no_agent", "preview": False, "expected": 1, "rate_per_s": 1000}
    assert functions.http("POST", "/v1/dead-letters/redrive", body).status == 409
    body["expected"] = 2
    done = with_key(functions, body, path="/v1/dead-letters/redrive")
    assert (done.status, done.json["redriven_tasks"], done.json["left"]) == (200, 2, 0)
    assert with_key(functions, body, path="/v1/dead-letters/redrive").json == done.json
    assert finish(functions, tasks) == {"completed"}


def finish(functions: Functions, tasks: list[str]) -> set[str]:
    """Let delayed messages come now, and return how the tasks stand then."""
    ready = unsent_store.ready_stages(functions.parts.database, [UUID(task) for task in tasks])
    resend(functions.parts.queues, [{**row, "delay_s": 0} for row in ready], functions.parts.settings.lanes)
    functions.work()
    return {functions.http("GET", f"/v1/tasks/{task}").json["status"] for task in tasks}


def test_a_task_is_run_again_from_a_stage(functions: Functions, failed: str) -> None:
    """A rerun begins at the named stages; an unknown stage, none, and an open task are refused."""
    path = f"/v1/tasks/{failed}/rerun"
    for body, field in (({}, "from"), ({"from": []}, "from"), ({"from": ["zzz"]}, "from.0")):
        answer = functions.http("POST", path, body)
        assert (answer.status, fields_of(answer)) == (422, [field]), answer.text
    give_ability(functions)
    answer = with_key(functions, {"from": ["echo"]}, path=path)
    assert answer.json == {"id": failed, "status": "pending", "stages": ["echo", "try"]}
    assert with_key(functions, {"from": ["echo"]}, path=path).text == answer.text
    open_task = functions.http("POST", path, {"from": ["echo"]})
    assert open_task.status == 409
    assert "only a task that has ended" in open_task.json["detail"]
    functions.work()
    task = functions.http("GET", f"/v1/tasks/{failed}").json
    assert (task["status"], [stage["attempt"] for stage in task["stages"]]) == ("completed", [2, 2])
    assert functions.http("GET", "/v1/dead-letters").json["dead_letters"][0]["status"] == "redriven"


def test_a_task_is_cloned_with_another_input(functions: Functions, failed: str) -> None:
    """A clone has all of its origin but what is changed, names it, and is one for its key."""
    labels = {"team": "search"}
    origin = submit(
        functions,
        labels=labels,
        priority="high",
        constraints={"deadline_s": 99},
        business_value={"usd": "2.50", "kind": "revenue"},
    )
    path = f"/v1/tasks/{origin}/clone"
    answer = with_key(functions, {"input": {"n": 5}, "priority": "low"}, path=path)
    assert answer.status == 202, answer.text
    clone = functions.http("GET", answer.headers["location"]).json
    assert clone["cloned_from"] == origin
    assert (clone["input"], clone["priority"], clone["labels"]) == ({"n": 5}, "low", labels)
    assert (clone["constraints"], clone["business_value_usd"]) == ({"deadline_s": 99.0}, "2.50")
    assert (clone["template"], clone["template_version"], clone["status"]) == ("two_steps", 1, "pending")
    assert with_key(functions, {"input": {"n": 5}, "priority": "low"}, path=path).text == answer.text
    assert functions.http("GET", f"/v1/tasks/{origin}").json["cloned_from"] is None
    (entry,) = functions.http("GET", "/v1/audit", action="task.cloned").json["entries"]
    assert (entry["target"], entry["detail"]) == (f"task/{origin}", {"clone": clone["id"]})
    plain = functions.http("POST", path)
    assert functions.http("GET", plain.headers["location"]).json["input"] == {"n": 1}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"input": {"n": "x"}}, "input.n"),
        ({"template_version": 99}, "template_version"),
        ({"priority": "now"}, "priority"),
        ({"labels": {"": "x"}}, "labels..[key]"),
        ({"inptu": {}}, "inptu"),
    ],
)
def test_a_wrong_clone_is_refused_by_field(
    functions: Functions, failed: str, body: dict[str, Any], field: str
) -> None:
    """A clone is checked as any task is; nothing is stored of one that is refused."""
    answer = functions.http("POST", f"/v1/tasks/{failed}/clone", body)
    assert (answer.status, fields_of(answer)) == (422, [field]), answer.text
    assert functions.rows("task_histories") == 1
    assert functions.http("GET", "/v1/audit", action="task.cloned").json["entries"] == []


def test_a_cancellation_is_in_the_audit(functions: Functions) -> None:
    """Who cancelled what, and why, is told with the cancellation; one that changes nothing is not told."""
    task = functions.http("POST", "/v1/tasks", {"input": {"question": "why?"}}).json["id"]
    for _ in range(2):
        functions.http("POST", f"/v1/tasks/{task}/cancel", {"reason": "by mistake"})
    (entry,) = functions.http("GET", "/v1/audit", target=f"task/{task}").json["entries"]
    assert (entry["action"], entry["by"]) == ("task.cancelled", "address:127.0.0.1")
    assert entry["detail"]["error"]["message"] == "by mistake"
