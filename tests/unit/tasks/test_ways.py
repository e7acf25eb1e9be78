"""The ways of a stage that is more than one call of an agent, as pure functions."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman.agents.job import StageJob, StageResult
from steersman.errors import AgentError
from steersman.tasks import special, ways
from steersman.tasks.expressions import ExpressionFailed
from steersman.tasks.stage_kinds import Approval, ForEach, Wait
from steersman.tasks.template import Stage, parse_template
from steersman.tasks.ways import Awaiting, Child, Children, ChildrenFailed, NotAList, NotAnswered, TimerInPast
from tests.fixtures.engine import stage

NOW = datetime(2027, 1, 15, 12, tzinfo=UTC)
ASK = {"ask": "Go on?", "by": ["clerk"]}
counts = st.integers(0, 60)


def built(**more: Any) -> Stage:
    """Return a stage as a template would have it."""
    document = {"name": "a", **more} if "kind" in more else stage("a", **more)
    return parse_template({"name": "sample", "stages": [document]}).stages[0]


def over(listed: Any = None, **policy: Any) -> tuple[Stage, dict[str, Any]]:
    return built(for_each={"items": "input.list", **policy}), {"input": {"list": listed}, "results": {}}


def ended(failed: int, count: int) -> list[Child]:
    """Return the tasks of a fan-out, of which the first ones failed."""
    return [
        Child(n, "failed", None, {"message": f"no {n}"})
        if n < failed
        else Child(n, "completed", {"n": n}, None)
        for n in range(count)
    ]


@given(st.lists(st.one_of(st.none(), st.integers(), st.text(), st.dictionaries(st.text(), st.integers()))))
def test_each_item_has_a_task_of_its_own_in_order(items: list[Any]) -> None:
    """A fan-out starts as many tasks as there are items, each told its item and place."""
    found = ways.children(*over(items, concurrency=7))
    assert found.inputs == [{"item": item, "index": index} for index, item in enumerate(items)]
    assert (found.window, found.nested) == (7, None)


@given(counts, counts, st.one_of(st.none(), counts), st.one_of(st.none(), counts))
def test_a_policy_says_when_a_fan_out_completes(
    count: int, failed: int, tolerate: int | None, at_least: int | None
) -> None:
    """It completes exactly while so many complete as `at_least` says, or no more fail than `tolerate` (else none)."""
    failed = min(failed, count)
    policy: dict[str, Any] = {"at_least": at_least} if tolerate is None else {"tolerate": tolerate}
    one, _ = over(**policy)
    needed = at_least if tolerate is None and at_least is not None else count - (tolerate or 0)
    if count - failed < needed:
        with pytest.raises(ChildrenFailed, match=f"{failed:,} of {count:,} items failed") as caught:
            ways.joined(one, count, failed, ended(failed, count))
        assert len(caught.value.faults) == min(failed, ways.MAX_TOLD)
    else:
        output = ways.joined(one, count, failed, ended(failed, count))
        assert (output["completed"], output["failed"]) == (count - failed, failed)
        assert output["items"] == [None] * failed + [{"n": n} for n in range(failed, count)]


def test_a_join_may_keep_counts_only() -> None:
    """Without `collect` a fan-out's output has counts and reasons, and no outputs of items."""
    one, _ = over(collect=False, tolerate=1)
    assert ways.joined(one, 3, 1, ended(1, 3)) == {
        "completed": 2, "failed": 1, "errors": [{"index": 0, "reason": "no 0"}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given_items", "policy", "error", "words"),
    [
        (None, {}, NotAList, "null, not a list"),
        ({"a": 1}, {}, NotAList, "an object, not a list"),
        ("abc", {}, NotAList, "a text, not a list"),
        (True, {}, NotAList, "a boolean, not a list"),
        ([1, 2, 3], {"max_items": 2}, NotAList, "3 items; at most 2"),
        ([1, 2], {"at_least": 3}, ChildrenFailed, "2 items; at least 3"),
        (
            [1],
            {"input": "item"},
            ExpressionFailed,
            "`for_each.input of item 0` gives a number, not an object",
        ),
        ([1], {"items": "length(input.list.x)"}, ExpressionFailed, "`for_each.items` cannot be applied"),
    ],
)
def test_what_cannot_be_gone_over_is_named(
    given_items: Any, policy: dict[str, Any], error: type[AgentError], words: str
) -> None:
    """What is no list, too long or too short fails with the field, what it gave, and for good."""
    with pytest.raises(error) as caught:
        ways.children(*over(given_items, **policy))
    assert words in caught.value.message
    assert not caught.value.retryable


def test_an_item_is_given_what_its_expression_says() -> None:
    """`for_each.input` reads the item, its place, the task's input and earlier results."""
    one = ForEach(items="input.list", input="{n: item, at: index, of: input.name, by: results.b.x}")
    made = built(for_each={"items": "input.list"}).model_copy(update={"for_each": one})
    values = {"input": {"list": ["p", "q"], "name": "l"}, "results": {"b": {"x": 5}}}
    assert ways.children(made, values).inputs == [
        {"n": "p", "at": 0, "of": "l", "by": 5},
        {"n": "q", "at": 1, "of": "l", "by": 5},
    ]


def test_a_nested_task_is_given_the_input_or_the_item() -> None:
    """Without an expression a nested task has its task's input, or the item where that is an object."""
    alone = built(kind="task", task={"template": "inner"})
    assert ways.children(alone, {"input": {"x": 1}, "results": {}}).inputs == [{"x": 1}]
    many = built(kind="task", task={"template": "inner"}, for_each={"items": "input.list"})
    found = ways.children(many, {"input": {"list": [{"y": 2}, 3]}, "results": {}})
    assert found.inputs == [{"y": 2}, {"item": 3, "index": 1}]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([], "is missing"),
        ([Child(0, "failed", None, {"message": "why"})], "the nested task failed"),
        ([Child(0, "cancelled", None, None)], "the nested task was cancelled"),
    ],
)
def test_a_nested_task_that_did_not_complete_says_how_it_ended(found: list[Child], words: str) -> None:
    """The stage of a nested task fails with what became of it."""
    with pytest.raises(ChildrenFailed, match=words):
        ways.joined(built(kind="task", task={"template": "inner"}), 1, 1, found)


@pytest.mark.parametrize(
    "until",
    ["2027-01-15T12:00:00Z", "2027-01-15T11:59:59Z", "2027-01-15T13:00:00+02:00", "0001-01-01T00:00:00+14:00",
     "9999-12-31T23:59:59-14:00", "soon", "", 5, None, ["2030-01-01"], {"at": "2030-01-01"}, True],
)  # fmt: skip
def test_a_time_that_is_none_or_has_passed_is_named(until: Any) -> None:
    """A wait until what is no time to come fails for good, and names the field."""
    with pytest.raises(TimerInPast, match=r"`wait\.until`") as caught:
        ways.waits_until(Wait(until="input.at"), NOW, {"input": {"at": until}, "results": {}})
    assert not caught.value.retryable


@given(st.datetimes(datetime(2028, 1, 1), datetime(9998, 1, 1)), st.integers(-14, 14))  # noqa: DTZ001 - the zone is drawn
def test_a_wait_lasts_until_the_time_that_is_given(at: datetime, hours: int) -> None:
    """A time of any zone is waited for as the moment that it is; without a zone it is in UTC."""
    values = {"input": {"at": f"{at.isoformat()}{hours:+03d}:00", "utc": at.isoformat()}, "results": {}}
    moment = at.replace(tzinfo=UTC)
    assert ways.waits_until(Wait(until="input.at"), NOW, values) == moment - timedelta(hours=hours)
    assert ways.waits_until(Wait(until="input.utc"), NOW, values) == moment


@given(st.floats(0, 400), st.booleans(), st.one_of(st.none(), st.floats(1, 100)))
def test_who_is_asked_and_until_when(waited_s: float, escalates: bool, second_s: float | None) -> None:
    """Until `timeout_s` those of `by` are asked, then also those of `escalate_to`, for their time; then nobody."""
    more = {"escalate_to": ("chief",), "escalate_timeout_s": second_s} if escalates else {}
    approval = Approval(**ASK, timeout_s=100, **more)
    whole = 100 + ((second_s or 100) if escalates else 0)
    try:
        found = ways.asked(approval, NOW, waited_s)
    except NotAnswered:
        assert waited_s >= whole
    else:
        assert waited_s < whole
        assert found.due_at is not None
        until = 100 if waited_s < 100 else whole
        assert abs((found.due_at - NOW).total_seconds() - (until - waited_s)) < 1e-5
        assert found.detail["by"] == list(ways.may_answer(approval, waited_s))
        assert found.detail["escalated"] is (waited_s >= 100)


def test_a_question_without_a_time_waits_for_ever() -> None:
    """Without `timeout_s` nothing but the task's deadline ends a question."""
    assert ways.asked(Approval(ask="?"), NOW, 1e9).due_at is None


def test_where_anybody_may_answer_an_escalation_shuts_nobody_out() -> None:
    """An approval without `by` stays open to all when it is escalated, and says so."""
    approval = Approval(ask="?", timeout_s=5, escalate_to=("chief",))
    assert ways.may_answer(approval, 6) == ()
    assert ways.asked(approval, NOW, 6).detail["by"] == []


def step(
    one: Stage, aside: Mapping[str, Any] | None = None, found: list[Child] | None = None, **given: Any
) -> Any:
    task = UUID(int=1)
    job = StageJob(
        task_id=task, project_id=task, stage=one.name, capability="c", attempt=1, timeout_s=1, correlation_id="c",
        input=given, results={}, provenance=(),
    )  # fmt: skip
    return special.next_step(one, job, aside or {}, NOW, lambda _: found or [])


def test_a_wait_begins_and_ends() -> None:
    """A stage of kind wait waits when it is first claimed, and completes when it is claimed again."""
    one = built(kind="wait", wait={"for_s": 60})
    begun = step(one)
    assert isinstance(begun, Awaiting)
    assert begun.due_at == NOW + timedelta(seconds=60)
    assert step(one, {"waited_s": 60.1234}).output == {
        "waited_s": 60.123,
        "until": "2027-01-15T12:00:00.000Z",
    }


@pytest.mark.parametrize(
    ("approved", "goes_on", "ends"), [(True, False, True), (False, True, True), (False, False, False)]
)
def test_an_answer_ends_the_question(approved: bool, goes_on: bool, ends: bool) -> None:
    """A yes is the output, and a no too where the stage goes on with one; else it fails."""
    one = built(kind="approval", approval={**ASK, "continue_on_reject": goes_on})
    given_answer = {"approved": approved, "answer": {}, "by": "clerk"}
    found = step(one, {"waited_s": 1.0, "answer": given_answer})
    if ends:
        assert found.output == {**given_answer, "comment": None}
    else:
        assert (found.code, found.message) == ("rejected", "clerk said no")


def test_an_answer_that_came_counts_though_the_time_is_over() -> None:
    """Who answered in time is heard, however late the stage goes on."""
    one = built(kind="approval", approval={**ASK, "timeout_s": 5, "default": {"x": 1}})
    answer = {"approved": True, "answer": {}, "by": "clerk", "comment": None}
    assert step(one, {"waited_s": 99.0, "answer": answer}).output["by"] == "clerk"
    assert step(one, {"waited_s": 99.0}).output["by"] == "default"


def test_a_fan_out_starts_and_joins() -> None:
    """A fan-out starts its tasks when first claimed and joins them when claimed again; over nothing it ends at once."""
    one, _ = over(tolerate=1)
    started = step(one, list=[1, 2])
    assert isinstance(started, Children)
    assert started.tolerated == 1
    joined = step(one, {"children": 2, "children_failed": 1}, ended(1, 2))
    assert isinstance(joined, StageResult)
    assert joined.output["items"] == [None, {"n": 1}]
    assert step(one, list=[]).output == {"completed": 0, "failed": 0, "errors": [], "items": []}
    assert step(one, list=3).code == "not_a_list"
