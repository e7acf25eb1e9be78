"""Projects over HTTP, and their limits from the request to the worker."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from steersman.bootstrap import Parts
from steersman.projects.limits import KnownLimits
from tests.fixtures import absent
from tests.fixtures.functions import Functions
from tests.integration.api.requests import fields_of, submit

LIMITS = "/v1/projects/default/limits"


def add_project(functions: Functions, slug: str) -> None:
    statement = "INSERT INTO projects (id, slug, name) VALUES (%(id)s, %(slug)s, %(slug)s)"
    functions.parts.database.run(statement, {"id": uuid4(), "slug": slug})


def test_projects_are_listed_page_by_page(functions: Functions) -> None:
    """Every project is on one page, once."""
    for number in range(4):
        add_project(functions, f"project-{number}")
    slugs, cursor = [], {}
    while True:
        page = functions.http("GET", "/v1/projects", limit=2, **cursor).json
        slugs += [project["slug"] for project in page["projects"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert sorted(slugs) == ["default", *(f"project-{number}" for number in range(4))]


def test_a_project_has_no_limit_until_somebody_sets_one(functions: Functions) -> None:
    """Without a row there is no limit, and nobody who set it."""
    assert functions.http("GET", LIMITS).json == {
        "project": "default",
        "max_running_stages": None,
        "usd_per_day": None,
        "tokens_per_day": None,
        "today": {
            "usd": "0",
            "tokens": 0,
            "until": f"{datetime.now(UTC).date() + timedelta(days=1)}T00:00:00.000Z",
        },
        "waiting_stages": 0,
        "updated_by": None,
        "updated_at": None,
    }


@pytest.mark.parametrize("most", [1, 100_000, None])
def test_a_limit_that_is_set_is_read_again(functions: Functions, most: int | None) -> None:
    """What is set is answered and kept, with who set it; setting it again is harmless, and null takes it away."""
    functions.http("PUT", LIMITS, {"max_running_stages": 7})
    answers = [functions.http("PUT", LIMITS, {"max_running_stages": most}) for _ in range(2)]
    assert {answer.status for answer in answers} == {200}
    kept = functions.http("GET", LIMITS).json
    assert kept == answers[-1].json
    assert kept["max_running_stages"] == most
    assert kept["updated_by"] == "address:127.0.0.1"
    assert functions.rows("project_limits") == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"max_running_stages": 0}, "max_running_stages"),
        ({"max_running_stages": 100_001}, "max_running_stages"),
        ({"max_running_stages": "many"}, "max_running_stages"),
        ({"max_running_stages": 1.5}, "max_running_stages"),
        ({}, "max_running_stages"),
        ({"max_running_stages": 1, "max_agents": 1}, "max_agents"),
    ],
)
def test_a_limit_that_is_none_is_refused_by_name(functions: Functions, body: Any, field: str) -> None:
    """What is no limit, or unknown, is refused with its field, and nothing changes."""
    answer = functions.http("PUT", LIMITS, body)
    assert answer.status == 422
    assert fields_of(answer) == [field]
    assert functions.rows("project_limits") == 0


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_project_that_is_not_there_is_not_found(functions: Functions, method: str) -> None:
    """A slug of no project is 404 and says where projects are listed."""
    body = {"max_running_stages": 1} if method == "PUT" else None
    answer = functions.http(method, "/v1/projects/nowhere/limits", body)
    assert answer.status == 404
    assert "GET /v1/projects" in answer.json["detail"]


def test_a_limit_reaches_the_workers(functions: Functions) -> None:
    """A project's limit holds for the stages that workers take up: what is over it waits, says so, and is done too."""
    assert functions.http("PUT", LIMITS, {"max_running_stages": 1}).status == 200
    tasks = [submit(functions)["id"] for _ in range(3)]
    functions.work()
    found = [functions.http("GET", f"/v1/tasks/{task}").json for task in tasks]
    assert {task["status"] for task in found} == {"completed"}
    assert {stage["waiting_for"] for task in found for stage in task["stages"]} == {None}


def test_the_last_known_limits_hold_while_the_database_is_away(functions: Functions) -> None:
    """Limits are read again after a while; when PostgreSQL does not answer then, those known before go on."""
    functions.http("PUT", LIMITS, {"max_running_stages": 5})
    parts: Parts = functions.parts
    known = KnownLimits(parts.database, fresh_s=-1)
    before = dict(known.running_stages())
    assert list(before.values()) == [5]
    parts.database.close()
    parts.database._url = absent.database_url()
    assert known.running_stages() == before
