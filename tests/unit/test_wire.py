"""JSON, identifiers and events as they go over the wire."""

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman.events import cloudevent
from steersman.ids import first_id_at, new_id
from steersman.json import dumps, dumps_text, loads, rfc3339
from steersman.tasks.log_store import Fact, has_ended

MOMENT = datetime(2026, 1, 31, 12, 0, 0, 123456, UTC)


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))])))
def test_times_are_utc_with_milliseconds(moment: datetime) -> None:
    """Every time is RFC 3339 in UTC with three digits and a Z, the same moment to the millisecond."""
    if moment.year < 2:
        return  # so near to year 1 that UTC may lie before it
    text = rfc3339(moment)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    assert timedelta(0) <= moment - datetime.fromisoformat(text) < timedelta(milliseconds=1)


def test_the_conventions_of_the_wire() -> None:
    """Money is a string that loses no digit, times have milliseconds, sets and tuples are lists."""
    value = {
        "usd": Decimal("0.000001"),
        "big": Decimal("1E+3"),
        "at": MOMENT,
        "set": {1},
        "tuple": (1, 2),
        3: UUID(int=1),
    }
    assert loads(dumps(value)) == {
        "usd": "0.000001", "big": "1000", "at": "2026-01-31T12:00:00.123Z", "set": [1], "tuple": [1, 2],
        "3": str(UUID(int=1)),
    }  # fmt: skip
    assert dumps_text("é") == '"é"'


def test_what_has_no_json_form_is_refused() -> None:
    """An object that is no data is a TypeError that names its kind."""
    with pytest.raises(TypeError):
        dumps({"x": object()})


def test_ids_sort_by_time() -> None:
    """Later ids sort later, and lie between the bounds of their time."""
    before = datetime.now(UTC)
    ids = [new_id() for _ in range(1000)]
    after = datetime.now(UTC) + timedelta(milliseconds=1)
    assert ids == sorted(ids)
    assert len(set(ids)) == 1000
    assert {found.version for found in ids} == {7}
    assert first_id_at(before) <= ids[0] < ids[-1] < first_id_at(after)


def fact(**changes: object) -> Fact:
    values: dict = {
        "id": 7, "task_id": UUID(int=1), "stage": "draft", "event": "stage.completed",
        "attempt": 1, "text": '{"agent": "writer"}', "created_at": MOMENT,
    }  # fmt: skip
    return Fact(**{**values, **changes})


def test_a_fact_is_a_cloudevent() -> None:
    """A line of the log becomes a CloudEvent 1.0 with a stable id, its type, its time and its data."""
    assert cloudevent.of_fact(fact()) == {
        "specversion": "1.0",
        "id": f"{UUID(int=1)}-7",
        "source": f"/v1/tasks/{UUID(int=1)}",
        "type": "steersman.stage.completed.v1",
        "subject": "draft",
        "time": "2026-01-31T12:00:00.123Z",
        "datacontenttype": "application/json",
        "data": {"task_id": str(UUID(int=1)), "stage": "draft", "attempt": 1, "agent": "writer"},
    }


@pytest.mark.parametrize(
    ("events", "ended"),
    [("", False), ("task.submitted stage.completed stage.failed stage.late", False),
     ("task.submitted task.completed", True), ("task.failed stage.late", True), ("task.cancelled", True),
     ("task.failed task.rerun", False), ("task.failed task.rerun stage.failed task.failed", True)],
)  # fmt: skip
def test_only_a_tasks_last_end_ends_it(events: str, ended: bool) -> None:
    """Of all events only a task's own end says that none must be waited for, unless it was resumed since."""
    assert has_ended([fact(event=event) for event in events.split()]) is ended
