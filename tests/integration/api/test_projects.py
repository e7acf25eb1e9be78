"""Projects over HTTP, and their limits from the request to the worker."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from functions.ops import sweep
from steersman.bootstrap import Parts
from steersman.errors import Unavailable
from steersman.ids import DEFAULT_PROJECT_ID
from steersman.projects.limits import KnownLimits
from steersman.tasks import task_store
from tests.fixtures import absent
from tests.fixtures.functions import Functions
from tests.integration.api.requests import echo, fields_of, status, submit, submitted

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
        ({"max_running_stages": 1, "usd_per_day": 0}, "usd_per_day"),
        ({"max_running_stages": 1, "usd_per_day": "-0.5"}, "usd_per_day"),
        ({"max_running_stages": 1, "usd_per_day": "a lot"}, "usd_per_day"),
        ({"max_running_stages": 1, "usd_per_day": "0.0000001"}, "usd_per_day"),
        ({"max_running_stages": 1, "usd_per_day": "1000000000"}, "usd_per_day"),
        ({"max_running_stages": 1, "tokens_per_day": 0}, "tokens_per_day"),
        ({"max_running_stages": 1, "tokens_per_day": 1.5}, "tokens_per_day"),
        ({"max_running_stages": 1, "tokens_per_day": 10**15 + 1}, "tokens_per_day"),
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


def spend(functions: Functions, usd: str, tokens: int) -> None:
    """Have an agent cost something for the default project today."""
    functions.parts.database.run(
        """INSERT INTO agent_performance (agent_id, project_id, capability, bucket_start, cost_usd, tokens)
        SELECT id, %(project_id)s, 'x', date_trunc('hour', now()), %(usd)s, %(tokens)s FROM agents LIMIT 1""",
        {"project_id": DEFAULT_PROJECT_ID, "usd": Decimal(usd), "tokens": tokens},
    )


def test_a_budget_is_part_of_the_whole(functions: Functions) -> None:
    """What a PUT leaves out is no limit any more: it sets all of them."""
    whole = {"max_running_stages": 5, "usd_per_day": "2.50", "tokens_per_day": 1000}
    assert functions.http("PUT", LIMITS, whole).status == 200
    kept = functions.http("GET", LIMITS).json
    assert (Decimal(kept["usd_per_day"]), kept["tokens_per_day"]) == (Decimal("2.5"), 1000)
    functions.http("PUT", LIMITS, {"max_running_stages": None})
    kept = functions.http("GET", LIMITS).json
    assert (kept["usd_per_day"], kept["tokens_per_day"]) == (None, None)


def test_a_spent_day_stops_work_until_the_budget_is_raised(functions: Functions) -> None:
    """Work waits and says what to do, the limits say what is spent and how much waits, and a raise ends the wait."""
    spend(functions, "3.25", 700)
    functions.http("PUT", LIMITS, {"max_running_stages": None, "usd_per_day": "3"})
    task_id = submitted(functions, echo("first"))
    functions.work()
    (stage,) = functions.http("GET", f"/v1/tasks/{task_id}").json["stages"]
    assert (stage["status"], stage["error"]["code"]) == ("awaiting", "budget_spent")
    assert "PUT /v1/projects/default/limits" in stage["error"]["message"]
    told = functions.http("GET", LIMITS).json
    assert (Decimal(told["today"]["usd"]), told["today"]["tokens"]) == (Decimal("3.25"), 700)
    assert (told["waiting_stages"], told["today"]["until"]) == (1, stage["awaits_until"])
    raised = functions.http("PUT", LIMITS, {"max_running_stages": None, "usd_per_day": "4"})
    assert raised.json["waiting_stages"] == 0
    assert status(functions, task_id) == "running"
    functions.work()
    assert status(functions, task_id) == "completed"


@pytest.mark.parametrize("away", ["redis", "queues"])
def test_a_raise_outlives_what_is_away(
    functions: Functions, monkeypatch: pytest.MonkeyPatch, away: str
) -> None:
    """A budget is raised though Redis or SQS is away; what goes on is left to the sweep where it cannot be sent."""
    spend(functions, "3", 0)
    functions.http("PUT", LIMITS, {"max_running_stages": None, "usd_per_day": "3"})
    task_id = submitted(functions, echo("first"))
    functions.work()

    def refuse(*_: Any, **__: Any) -> None:
        raise Unavailable("away")

    if away == "redis":
        monkeypatch.setattr(functions.parts.open_work, "submitted", refuse)
        monkeypatch.setattr(functions.parts.live, "outdate", refuse)
    else:
        monkeypatch.setattr(functions.parts.queues, "send", refuse)
    assert functions.http("PUT", LIMITS, {"max_running_stages": None}).status == 200
    found = functions.parts.database.run("SELECT status FROM task_stages")
    assert found == [{"status": "ready"}]
    if away == "redis":
        functions.work()
        assert task_store.status(functions.parts.database, UUID(task_id)) == "completed"


def test_the_sweep_releases_what_a_budget_no_longer_stops(functions: Functions) -> None:
    """The sweep's function has work go on that waits for a budget which is not spent."""
    spend(functions, "3", 0)
    functions.http("PUT", LIMITS, {"max_running_stages": None, "usd_per_day": "3"})
    task_id = submitted(functions, echo("first"))
    functions.work()
    functions.parts.database.run("UPDATE project_limits SET usd_per_day = NULL")
    assert sweep.handler({}, None)["fired"] == 1
    functions.work()
    assert status(functions, task_id) == "completed"
