"""Schedules over HTTP: create, list, read, change, delete, run out of turn."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from steersman.cache.connection import connect
from steersman.errors import Unavailable
from steersman.tasks.open_work import OpenWork
from tests.fixtures import absent
from tests.fixtures.engine import stage
from tests.fixtures.functions import Answer, Functions
from tests.integration.api.requests import fields_of

NIGHTLY = {
    "name": "nightly",
    "template": "quick_answer",
    "input": {"question": "What changed?"},
    "cron": "0 2 * * *",
    "timezone": "Europe/Berlin",
}
HOURLY = {"name": "hourly", "template": "quick_answer", "input": {"question": "why?"}, "rate": "1 hour"}


def create(functions: Functions, body: dict[str, Any] = NIGHTLY, **changes: Any) -> dict[str, Any]:
    answer = functions.http("POST", "/v1/schedules", {**body, **changes})
    assert answer.status == 201, answer.text
    found: dict[str, Any] = answer.json
    return found


def patch(functions: Functions, schedule: dict[str, Any], **changes: Any) -> Answer:
    return functions.http("PATCH", f"/v1/schedules/{schedule['id']}", changes)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_schedule_can_be_read_as_it_was_created(functions: Functions) -> None:
    """201 tells the place; there it is as asked for, with its next five times in order."""
    answer = functions.http("POST", "/v1/schedules", NIGHTLY)
    assert answer.status == 201
    found = functions.http("GET", answer.headers["location"]).json
    assert found == answer.json
    assert {name: found[name] for name in NIGHTLY} == NIGHTLY
    assert (found["rate"], found["template_version"], found["paused"]) == (None, None, False)
    assert (found["overlap"], found["catch_up"], found["created_by"]) == ("allow", "one", "address:127.0.0.1")
    times = [moment(time) for time in found["next_times"]]
    assert len(times) == 5
    assert times == sorted(times)
    assert found["next_at"] == found["next_times"][0]
    assert datetime.now(UTC) < times[0] <= datetime.now(UTC) + timedelta(days=1)


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"cron": "0 0 31 2 *"}, ["cron"]),
        ({"cron": "x"}, ["cron"]),
        ({"cron": "0 0 * * *", "rate": "1 hour"}, ["cron"]),
        ({"cron": None}, ["cron"]),
        ({"cron": None, "rate": "1 second"}, ["rate"]),
        ({"timezone": "Mars/Olympus"}, ["timezone"]),
        ({"name": "Not A Name"}, ["name"]),
        ({"template": "nowhere"}, ["template"]),
        ({"template_version": 9}, ["template_version"]),
        ({"input": {}}, ["input"]),
        ({"input": {"question": "why?", "more": "x" * 70_000}}, ["input"]),
        ({"priority": "urgent"}, ["priority"]),
        ({"labels": {"a b": "c"}}, ["labels.a b.[key]"]),
        ({"overlap": "maybe"}, ["overlap"]),
        ({"catch_up": "all"}, ["catch_up"]),
        ({"speed": 1}, ["speed"]),
        ({"project": "nobody"}, ["project"]),
    ],
)
def test_a_wrong_schedule_is_refused_by_name(
    functions: Functions, changes: dict[str, Any], fields: list[str]
) -> None:
    """Times that never come, what no task could be made of, and unknown words are refused; nothing is stored."""
    answer = functions.http("POST", "/v1/schedules", {**NIGHTLY, **changes})
    assert answer.status in {413, 422}, answer.text
    assert fields_of(answer) == fields
    assert functions.rows("schedules") == functions.rows("task_histories") == 0


def test_names_are_unique_in_a_project(functions: Functions) -> None:
    """A second schedule of the same name is 409 naming the field."""
    create(functions)
    answer = functions.http("POST", "/v1/schedules", {**HOURLY, "name": "nightly"})
    assert (answer.status, fields_of(answer)) == (409, ["name"])


def test_a_creation_under_a_key_is_answered_again(functions: Functions) -> None:
    """The same creation under its key is answered as at first and makes one schedule; another one is refused."""
    key = {"idempotency-key": "k"}
    first, second = (functions.http("POST", "/v1/schedules", NIGHTLY, headers=key) for _ in range(2))
    assert (first.status, first.text) == (second.status, second.text)
    assert functions.rows("schedules") == 1
    assert fields_of(functions.http("POST", "/v1/schedules", HOURLY, headers=key)) == ["Idempotency-Key"]


def test_the_list_goes_by_name_and_filters(functions: Functions) -> None:
    """Pages hold each schedule once, by name; template, name and paused choose among them."""
    for number in range(5):
        create(functions, HOURLY, name=f"s{number}", paused=number == 3)
    create(functions, NIGHTLY, template="simple_lookup")
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = functions.http("GET", "/v1/schedules", limit=2, **cursor).json
        found += [one["name"] for one in page["schedules"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == ["nightly", "s0", "s1", "s2", "s3", "s4"]

    def names(**filters: Any) -> list[str]:
        page = functions.http("GET", "/v1/schedules", **filters).json
        return [one["name"] for one in page["schedules"]]

    assert names(paused="true") == ["s3"]
    assert names(template="simple_lookup") == ["nightly"]
    assert names(name="s2") == ["s2"]


def test_a_paused_schedule_has_no_times_until_it_is_resumed(functions: Functions) -> None:
    """Paused it shows no next time; resumed it keeps its rhythm, and makes up for nothing."""
    schedule = create(functions, HOURLY)
    paused = patch(functions, schedule, paused=True).json
    assert (paused["paused"], paused["next_at"], paused["next_times"]) == (True, None, [])
    functions.parts.database.run("UPDATE schedules SET next_at = next_at - interval '250 minutes'")
    resumed = patch(functions, schedule, paused=False).json
    gap = moment(resumed["next_at"]) - moment(schedule["next_at"])
    assert gap % timedelta(hours=1) == timedelta(minutes=50)
    assert moment(resumed["next_at"]) > datetime.now(UTC)


def test_what_a_change_names_is_changed_and_nothing_else(functions: Functions) -> None:
    """New times begin anew; other fields leave the next time as it was."""
    schedule = create(functions, HOURLY)
    changed = patch(functions, schedule, input={"question": "how?"}, priority="low", labels={"a": "b"}).json
    assert (changed["input"], changed["priority"], changed["labels"]) == (
        {"question": "how?"},
        "low",
        {"a": "b"},
    )
    assert {**changed, "updated_at": ""} == {
        **schedule, "input": {"question": "how?"}, "priority": "low", "labels": {"a": "b"}, "updated_at": "",
    }  # fmt: skip
    same = patch(functions, schedule, rate="1 hour", timezone="Asia/Tokyo").json
    assert same["next_at"] == schedule["next_at"], "a rate has no clock, and the same rate keeps its rhythm"
    changed = patch(functions, schedule, cron="0 2 * * *", timezone="Asia/Kolkata").json
    assert (changed["cron"], changed["rate"], changed["next_at"][11:16]) == ("0 2 * * *", None, "20:30")
    assert patch(functions, schedule, timezone="UTC").json["next_at"][11:16] == "02:00"
    assert patch(functions, schedule, rate="1 day", cron=None).json["rate"] == "1 day"
    assert patch(functions, schedule, template_version=1).json["template_version"] == 1
    assert patch(functions, schedule, template_version=None).json["template_version"] is None
    assert patch(functions, schedule).json["rate"] == "1 day"


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"cron": "61 * * * *"}, ["cron"]),
        ({"rate": "soon"}, ["rate"]),
        ({"cron": "0 0 * * *", "rate": "1 hour"}, ["cron"]),
        ({"timezone": "X"}, ["timezone"]),
        ({"input": {"question": ""}}, ["input.question"]),
        ({"template": "nowhere"}, ["template"]),
        ({"template_version": 7}, ["template_version"]),
        ({"priority": None, "cron": None}, ["priority", "cron"]),
        ({"name": "other"}, ["name"]),
    ],
)
def test_a_wrong_change_is_refused_by_name(
    functions: Functions, changes: dict[str, Any], fields: list[str]
) -> None:
    """A change that would leave a schedule without times or with a task that nobody takes changes nothing."""
    schedule = create(functions, HOURLY)
    answer = patch(functions, schedule, **changes)
    assert (answer.status, fields_of(answer)) == (422, fields)
    assert functions.http("GET", f"/v1/schedules/{schedule['id']}").json == schedule


def test_a_schedule_whose_template_was_outgrown_can_still_be_paused(functions: Functions) -> None:
    """Pausing asks nothing of the stored input; only a change of the task does."""
    functions.http("POST", "/v1/templates", {"template": {"name": "mine", "stages": [stage("a")]}})
    schedule = create(functions, HOURLY, template="mine")
    strict = {"name": "mine", "stages": [stage("a")], "input_schema": {"required": ["id"]}}
    functions.http("POST", "/v1/templates", {"template": strict})
    assert patch(functions, schedule, paused=True).status == 200
    assert fields_of(patch(functions, schedule, priority="high")) == ["input"]


def test_a_run_out_of_turn_leaves_the_times_as_they_are(functions: Functions) -> None:
    """A task is made at once, also of a paused schedule, once under a key, and named as the schedule's last."""
    schedule = create(functions, NIGHTLY, paused=True, labels={"batch": "nightly"}, priority="low")
    path = f"/v1/schedules/{schedule['id']}/run"
    first, second = (functions.http("POST", path, headers={"idempotency-key": "k"}) for _ in range(2))
    assert (first.status, first.text) == (202, second.text)
    task = functions.http("GET", first.headers["location"]).json
    assert (task["input"], task["priority"], task["labels"]) == (
        NIGHTLY["input"],
        "low",
        {"batch": "nightly"},
    )
    found = functions.http("GET", f"/v1/schedules/{schedule['id']}").json
    assert found["last_task_id"] == task["id"]
    assert (found["paused"], found["last_at"], found["next_at"]) == (True, None, None)
    assert functions.rows("task_histories") == 1


def test_a_deleted_schedule_is_gone_and_its_tasks_stay(functions: Functions) -> None:
    """After 204 the schedule is 404 everywhere; its tasks are there."""
    schedule = create(functions)
    path = f"/v1/schedules/{schedule['id']}"
    functions.http("POST", f"{path}/run")
    assert functions.http("DELETE", path).status == 204
    for method, where in (("GET", path), ("DELETE", path), ("POST", f"{path}/run")):
        assert functions.http(method, where).status == 404
    assert patch(functions, schedule, paused=True).status == 404
    assert functions.rows("task_histories") == 1


def test_a_schedule_belongs_to_its_project(functions: Functions) -> None:
    """Another project neither sees nor changes it."""
    functions.parts.database.run(
        "INSERT INTO projects (id, slug, name) VALUES ('0190aaaa-0000-7000-8000-000000000001', 'other', 'Other')"
    )
    path = f"/v1/schedules/{create(functions)['id']}"
    assert functions.http("GET", path, project="other").status == 404
    assert functions.http("DELETE", path, project="other").status == 404
    assert functions.http("GET", "/v1/schedules", project="other").json["schedules"] == []


def test_new_times_wake_a_sweep_that_sleeps(functions: Functions) -> None:
    """Creating or changing a schedule makes the sweep look, however long it meant to sleep."""
    open_work = functions.parts.open_work

    def sleep() -> None:
        for _ in range(2):
            open_work.quiet(open_work.possible()[1])
        assert open_work.possible()[0] is False

    sleep()
    schedule = create(functions)
    assert open_work.possible()[0] is True
    sleep()
    patch(functions, schedule, cron="* * * * *")
    assert open_work.possible()[0] is True


def test_where_the_sweep_cannot_be_told_nothing_is_stored(
    functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Redis a schedule is 503, for a sweep that sleeps would sleep over it; one told of before is kept."""
    schedule = create(functions)
    away = OpenWork(connect(absent.redis_url()))
    with monkeypatch.context() as patched:
        patched.setattr(functions.parts.open_work, "submitted", away.submitted)
        assert functions.http("POST", "/v1/schedules", HOURLY).status == 503
        assert patch(functions, schedule, paused=True).status == 503
    assert functions.rows("schedules") == 1
    assert functions.http("GET", f"/v1/schedules/{schedule['id']}").json == schedule

    told: list[str] = []

    def once_only() -> None:
        told.append("told")
        if len(told) > 1:
            raise Unavailable("away")

    monkeypatch.setattr(functions.parts.open_work, "submitted", once_only)
    assert functions.http("POST", "/v1/schedules", HOURLY).status == 201
