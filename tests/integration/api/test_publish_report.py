"""The report before a template is published: what waits, what is scheduled, and what else it would touch."""

from typing import Any

from psycopg.types.json import Jsonb

from steersman.ids import DEFAULT_PROJECT_ID, new_id
from tests.fixtures.engine import stage
from tests.fixtures.functions import Functions

SCHEMA = {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}


def publish(functions: Functions, *stages: dict[str, Any], **more: Any) -> None:
    template = {"name": "mine", "stages": list(stages), **more}
    assert functions.http("POST", "/v1/templates", {"template": template}).status == 201


def ask(functions: Functions, *stages: dict[str, Any], **more: Any) -> Any:
    template = {"name": "mine", "stages": list(stages), **more}
    answer = functions.http("POST", "/v1/templates", {"template": template, "validate_only": True})
    assert answer.status == 200, answer.text
    return answer.json["report"]


def schedule(functions: Functions, name: str, **fields: Any) -> dict[str, Any]:
    body = {"name": name, "template": "mine", "input": {"id": 1}, "rate": "1 hour", **fields}
    answer = functions.http("POST", "/v1/schedules", body)
    assert answer.status == 201, answer.text
    found: dict[str, Any] = answer.json
    return found


def test_a_first_version_has_no_report(functions: Functions) -> None:
    """Where a template has no version yet, nothing waits for it and nothing is told."""
    assert ask(functions, stage("a")) is None


def test_a_report_names_what_differs_from_the_newest_version(functions: Functions) -> None:
    """Changes are told against the newest version; the same text has none."""
    publish(functions, stage("a"))
    publish(functions, stage("a"), stage("b", "a"))
    found = ask(functions, {**stage("a"), "timeout_s": 7}, stage("b", "a"))
    assert found["newest"] == 2
    assert [(one["kind"], one["stage"], one["field"]) for one in found["changes"]] == [
        ("changed", "a", "timeout_s")
    ]
    assert ask(functions, stage("a"), stage("b", "a"))["changes"] == []


def test_a_report_counts_open_tasks_by_version_and_status(functions: Functions) -> None:
    """Tasks that would stay on their versions are counted by status; ended ones are not."""
    publish(functions, stage("a"))
    for _ in range(3):
        functions.http("POST", "/v1/tasks", {"template": "mine", "input": {}})
    publish(functions, stage("b"))
    functions.http("POST", "/v1/tasks", {"template": "mine", "input": {}})
    (first, second) = functions.http("GET", "/v1/tasks", limit=2).json["tasks"]
    functions.parts.database.run(
        "UPDATE task_histories SET status = 'retrying' WHERE id = %(id)s", {"id": second["id"]}
    )
    functions.http("POST", f"/v1/tasks/{first['id']}/cancel")
    assert ask(functions, stage("a"))["open_tasks"] == [
        {"version": 1, "pending": 2, "running": 0, "awaiting": 0, "retrying": 1}
    ]


def test_a_report_tells_following_from_pinned_schedules(functions: Functions) -> None:
    """Schedules that follow the newest version come with their next time and the faults of their input; pinned ones
    stay on their version, whatever the new one asks of its input.
    """
    publish(functions, stage("a"))
    fits = schedule(functions, "fits")
    schedule(functions, "breaks", input={"id": "one"}, rate="2 hours")
    schedule(functions, "paused", paused=True)
    schedule(functions, "pinned", template_version=1, input={})
    found = ask(functions, stage("a"), input_schema=SCHEMA)
    assert [one["name"] for one in found["following"]] == ["fits", "breaks", "paused"]
    assert found["following"][0] == {
        "id": fits["id"], "name": "fits", "template_version": None, "paused": False, "next_at": fits["next_at"],
        "faults": [],
    }  # fmt: skip
    (fault,) = found["following"][1]["faults"]
    assert (fault["field"], "integer" in fault["reason"]) == ("input.id", True)
    assert found["following"][2]["next_at"] is None
    (pinned,) = found["pinned"]
    assert (pinned["name"], pinned["template_version"], pinned["faults"]) == ("pinned", 1, [])
    assert found["schedules_not_shown"] == 0


def test_a_report_says_what_it_leaves_out(functions: Functions) -> None:
    """With very many schedules the first 200 are told, and how many more there are."""
    publish(functions, stage("a"))
    schedule(functions, "mine")
    functions.parts.database.run(
        """INSERT INTO schedules
             (id, project_id, name, template_name, input, when_kind, expression, next_at, created_by)
           SELECT gen_random_uuid(), project_id, 's' || n, template_name, input, when_kind, expression, next_at, 'me'
           FROM schedules, generate_series(1, 204) n"""
    )
    found = ask(functions, stage("a"))
    assert (len(found["following"]), found["schedules_not_shown"]) == (200, 5)


def test_a_report_names_the_stages_that_start_the_template(functions: Functions) -> None:
    """Templates whose newest version starts this one as a nested task are named with the stage; older ones are not."""
    publish(functions, stage("a"))
    nested = {"name": "n", "task": {"template": "mine"}}
    for name, version, stages in (
        ("parent", 1, [stage("a"), nested]),
        ("former", 1, [nested]),
        ("former", 2, [stage("a")]),
        ("other", 1, [{"name": "n", "task": {"template": "quick_answer"}}]),
    ):
        functions.parts.database.run(
            """INSERT INTO task_dag_templates (id, project_id, name, version, spec, created_by)
               VALUES (%(id)s, %(project_id)s, %(name)s, %(version)s, %(spec)s, 'me')""",
            {
                "id": new_id(),
                "project_id": DEFAULT_PROJECT_ID,
                "name": name,
                "version": version,
                "spec": Jsonb({"name": name, "stages": stages}),
            },
        )
    assert ask(functions, stage("a"))["nested_in"] == [{"template": "parent", "version": 1, "stage": "n"}]
