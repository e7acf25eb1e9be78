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
