"""Templates over HTTP: publish, validate, list, read."""

from typing import Any

import pytest

from tests.fixtures.engine import stage
from tests.fixtures.functions import Answer, Functions


def publish(
    functions: Functions, *stages: dict[str, Any], headers: dict[str, str] | None = None, **more: Any
) -> Answer:
    document = {"name": "mine", "stages": list(stages), **more}
    return functions.http("POST", "/v1/templates", {"template": document}, headers=headers)


def test_a_published_template_can_be_read_and_used(functions: Functions) -> None:
    """201 tells name, version and place; there it is as written, and a task can run on it."""
    answer = publish(functions, stage("a"), stage("b", "a", when="results.a.x"), description="two")
    expected = {"name": "mine", "version": 1, "published": True, "report": None}
    assert (answer.status, answer.json) == (201, expected)
    found = functions.http("GET", answer.headers["location"]).json
    assert (found["name"], found["version"], found["created_by"]) == ("mine", 1, "address:127.0.0.1")
    assert [one["name"] for one in found["template"]["stages"]] == ["a", "b"]
    assert found["template"]["stages"][1]["when"] == "results.a.x"
    accepted = functions.http("POST", "/v1/tasks", {"template": "mine", "input": {}}).json
    assert accepted["template_version"] == 1


def test_versions_never_change(functions: Functions) -> None:
    """A new text is a new version; the old one, and the tasks on it, stay as they are."""
    publish(functions, stage("a"))
    task_id = functions.http("POST", "/v1/tasks", {"template": "mine", "input": {}}).json["id"]
    assert publish(functions, stage("a"), stage("b", "a")).json["version"] == 2
    assert len(functions.http("GET", "/v1/templates/mine/versions/1").json["template"]["stages"]) == 1
    assert functions.http("GET", f"/v1/tasks/{task_id}").json["template_version"] == 1
    newest, pinned = (
        functions.http("POST", "/v1/tasks", {"template": "mine", "input": {}, **version}).json[
            "template_version"
        ]
        for version in ({}, {"template_version": 1})
    )
    assert (newest, pinned) == (2, 1)


def test_the_same_text_adds_nothing(functions: Functions) -> None:
    """What is the newest version already is answered with 200 and that version, defaults spelt out or not."""
    publish(functions, stage("a"))
    again = publish(functions, {**stage("a"), "timeout_s": 30, "on_error": "fail"}, deadline_s=300)
    expected = {"name": "mine", "version": 1, "published": False, "report": None}
    assert (again.status, again.json) == (200, expected)


def test_validation_alone_publishes_nothing(functions: Functions) -> None:
    """validate_only says what is wrong, or that nothing is, and adds nothing."""
    before = functions.rows("task_dag_templates")
    good, bad = (
        functions.http(
            "POST", "/v1/templates", {"template": {"name": "mine", "stages": [one]}, "validate_only": True}
        )
        for one in (stage("a"), stage("a", "a"))
    )
    expected = {"name": "mine", "version": None, "published": False, "report": None}
    assert (good.status, good.json) == (200, expected)
    assert bad.status == 422
    assert functions.rows("task_dag_templates") == before


@pytest.mark.parametrize(
    ("stages", "more", "field"),
    [
        ([stage("a", "b"), stage("b", "a")], {}, "template.stages.0.needs"),
        ([stage("a", "x")], {}, "template.stages.0.needs.0"),
        ([stage("a", when="][")], {}, "template.stages.0.when"),
        ([stage("a", output_schema={"$ref": "http://x.example"})], {}, "template.stages.0.output_schema"),
        ([stage("a", output_schema={"$schema": "http://x.example"})], {}, "template.stages.0.output_schema"),
        ([], {}, "template.stages"),
        ([stage("a")], {"name": "Not A Name"}, "template.name"),
        ([stage("a")], {"description": "a\0"}, "template.description"),
        ([stage("a")], {"speed": 1}, "template.speed"),
    ],
)
def test_a_wrong_template_is_refused_with_its_place(
    functions: Functions, stages: list[dict[str, Any]], more: dict[str, Any], field: str
) -> None:
    """Each fault is 422 with its place in the template, and nothing is added."""
    before = functions.rows("task_dag_templates")
    answer = publish(functions, *stages, **more)
    assert answer.status == 422
    assert [fault["field"] for fault in answer.json["errors"]] == [field]
    assert functions.rows("task_dag_templates") == before


def test_a_publication_under_a_key_is_answered_again(functions: Functions) -> None:
    """The same publication under its key is answered as at first; another one under it is refused."""
    key = {"idempotency-key": "k"}
    first, second = publish(functions, stage("a"), headers=key), publish(functions, stage("a"), headers=key)
    assert (first.status, first.text) == (second.status, second.text)
    assert publish(functions, stage("b"), headers=key).status == 422


def test_the_list_has_the_newest_of_each_name(functions: Functions) -> None:
    """Pages hold each template once, its newest version, by name."""
    publish(functions, stage("a"))
    publish(functions, stage("b"))
    found: list[tuple[str, int]] = []
    cursor: dict[str, str] = {}
    while True:
        page = functions.http("GET", "/v1/templates", limit=2, **cursor).json
        found += [(one["name"], one["version"]) for one in page["templates"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == [
        ("complex_research", 1), ("mine", 2), ("quick_answer", 1), ("simple_lookup", 1), ("standard_query", 1),
        ("web_enhanced", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "path", ["/v1/templates/nowhere/versions/1", "/v1/templates/quick_answer/versions/2"]
)
def test_an_unknown_version_is_not_found(functions: Functions, path: str) -> None:
    """A name or version that is not there is 404."""
    assert functions.http("GET", path).status == 404


def test_versions_are_compared(functions: Functions) -> None:
    """The newest version is compared with the one before, or any two; tasks that are open are counted by version."""
    publish(functions, stage("a"))
    task = {"template": "mine", "input": {}}
    assert functions.http("POST", "/v1/tasks", task).status == 202
    publish(functions, {**stage("a"), "timeout_s": 7}, stage("b", "a"))
    publish(functions, stage("b"))
    found = functions.http("GET", "/v1/templates/mine/diff").json
    assert (found["before"], found["after"], found["open_tasks"]) == (2, 3, {"1": 1})
    found = functions.http("GET", "/v1/templates/mine/diff", before=1, after=2).json
    assert [(one["kind"], one["stage"], one["field"]) for one in found["changes"]] == [
        ("changed", "a", "timeout_s"),
        ("added", "b", None),
    ]
    same = functions.http("GET", "/v1/templates/mine/diff", after=1).json
    assert (same["before"], same["after"], same["changes"]) == (1, 1, [])


def test_a_comparison_names_what_is_missing(functions: Functions) -> None:
    """A version or a template that does not exist is named; a version below one is refused."""
    publish(functions, stage("a"))
    answer = functions.http("GET", "/v1/templates/mine/diff", before=9)
    assert (answer.status, "version 9" in answer.json["detail"]) == (404, True)
    assert functions.http("GET", "/v1/templates/other/diff").status == 404
    assert functions.http("GET", "/v1/templates/mine/diff", before=0).status == 422
