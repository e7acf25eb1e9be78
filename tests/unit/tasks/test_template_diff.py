"""What differs between two versions of a template."""

from typing import Any

from steersman.tasks.template import Template, parse_template
from steersman.tasks.template_diff import Change, differences
from tests.fixtures.engine import stage


def template(*stages: dict[str, Any], **more: Any) -> Template:
    return parse_template({"name": "sample", "stages": list(stages), **more})


def test_each_difference_is_told_where_it_is() -> None:
    """A field of the template, of a stage, a new stage and one that is gone are told with what was and what is."""
    old = template(stage("a"), stage("gone", "a"), deadline_s=60, output="gone")
    new = template(stage("b", "a"), {**stage("a"), "timeout_s": 7}, deadline_s=90, output="b")
    found = differences(old, new)
    assert [(one.kind, one.stage, one.field) for one in found] == [
        ("changed", None, "deadline_s"),
        ("changed", None, "output"),
        ("added", "b", None),
        ("changed", "a", "timeout_s"),
        ("removed", "gone", None),
    ]
    assert found[0] == Change("changed", None, "deadline_s", 60, 90)
    assert found[2].after["needs"] == ["a"]
    assert found[4].before["name"] == "gone"


def test_the_order_of_stages_says_nothing() -> None:
    """Stages that only changed places are no difference."""
    stages = stage("a"), stage("b", "a"), stage("c", "b")
    assert differences(template(*stages), template(*stages[::-1])) == []


def test_what_differs_deep_inside_is_named_by_its_path() -> None:
    """Of an object only what differs is told; what one of the two lacks is added or removed; 1 is not true."""
    rules = {"throttled": {"max_attempts": 9}, "timeout": {"max_attempts": 2}}
    old = template(stage("a", retry={"on": rules}, on_error="fallback", fallback={"x": 1}))
    rules = {"throttled": {"max_attempts": 12}, "permanent": {"max_attempts": 2}}
    new = template(stage("a", retry={"on": rules}, on_error="fallback", fallback={"x": True}))
    found = {(one.kind, one.field): (one.before, one.after) for one in differences(old, new)}
    assert set(found) == {
        ("changed", "retry.on.throttled.max_attempts"),
        ("removed", "retry.on.timeout"),
        ("added", "retry.on.permanent"),
        ("changed", "fallback.x"),
    }
    assert found["changed", "retry.on.throttled.max_attempts"] == (9, 12)
