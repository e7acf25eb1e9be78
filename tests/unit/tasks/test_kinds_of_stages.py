"""What can be wrong with stages that start tasks, ask, wait or undo; and templates that start each other."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman.tasks import expressions, nesting
from steersman.tasks.planner import Plan
from steersman.tasks.template import parse_template
from steersman.tasks.words import StageStatus
from tests.fixtures.engine import stage
from tests.unit.tasks.test_template import only_fault


def kind(name: str, of: str, **form: Any) -> dict[str, Any]:
    return {"name": name, "kind": of, of: form}


ASK = kind("a", "approval", ask="Go on?")
HOUR = {"deadline_s": 3600}


@pytest.mark.parametrize(
    ("stages", "place", "reason"),
    [
        ([{"name": "a", "kind": "approval"}], "stages.0.approval", "says here what it does"),
        ([{"name": "a", "kind": "wait"}], "stages.0.wait", "says here what it does"),
        ([{"name": "a", "kind": "task"}], "stages.0.task", "says here what it does"),
        ([stage("a", wait={"for_s": 1})], "stages.0.wait", "never used: the stage's kind is 'agent', not 'wait'"),
        ([{**ASK, "for_each": {"items": "input.x"}}], "stages.0.for_each", "kind 'agent' and 'task'"),
        ([{**ASK, "capability": "test.do"}], "stages.0.capability", "no agent does a stage of kind"),
        ([kind("a", "approval", ask="")], "stages.0.approval.ask", "at least 1 character"),
        ([kind("a", "approval", ask="?", default={"x": 1})], "stages.0.approval", "default comes after timeout_s"),
        ([kind("a", "approval", ask="?", escalate_to=["b"])], "stages.0.approval", "escalate_to comes after"),
        (
            [kind("a", "approval", ask="?", timeout_s=5, escalate_timeout_s=5)],
            "stages.0.approval",
            "needs escalate_to",
        ),
        ([kind("a", "approval", ask="?", timeout_s=3600)], "stages.0.approval.timeout_s", "deadline_s (3600)"),
        (
            [kind("a", "approval", ask="?", timeout_s=1800, escalate_to=["b"])],
            "stages.0.approval.timeout_s",
            "longer than the task's deadline_s",
        ),
        (
            [kind("a", "approval", ask="?", answer_schema={"type": "strin"})],
            "stages.0.approval.answer_schema",
            "not a JSON Schema",
        ),
        ([kind("a", "wait", for_s=3600)], "stages.0.wait.for_s", "longer than the task's deadline_s (3600)"),
        ([kind("a", "wait", for_s=5, until="input.x")], "stages.0.wait", "give for_s or until, one of them"),
        ([kind("a", "wait")], "stages.0.wait", "give for_s or until, one of them"),
        ([kind("a", "wait", until="][")], "stages.0.wait.until", "not a JMESPath expression"),
        ([kind("a", "wait", until="results.x.at")], "stages.0.wait.until", "stage 'x' does not exist"),
        ([kind("a", "task", template="sample")], "stages.0.task.template", "could run for ever"),
        ([kind("a", "task", template="Not A Name")], "stages.0.task.template", "match pattern"),
        ([kind("a", "task", template="b", input="no_function(@)")], "stages.0.task.input", "no function"),
        ([stage("a", for_each={"items": "input.x", "at_least": 1, "tolerate": 1})], "stages.0.for_each", "not both"),
        ([stage("a", for_each={"items": "results.b"})], "stages.0.for_each.items", "stage 'b' does not exist"),
        ([stage("a", for_each={"items": "input.x", "concurrency": 0})], "stages.0.for_each.concurrency", "equal to 1"),
        ([stage("a", for_each={"items": "input.x", "max_items": 10_001})], "stages.0.for_each.max_items", "10000"),
        (
            [{**kind("a", "task", template="b"), "for_each": {"items": "input.x"}, "output_schema": {}}],
            "stages.0.output_schema",
            "the template of the items says",
        ),
        ([stage("a", undo="b")], "stages.0.undo", "there is no stage 'b'"),
        ([stage("a", undo="b"), stage("b", "a")], "stages.0.undo", "no needs, and needed by none"),
        ([stage("a", undo="b"), stage("b"), stage("c", "b")], "stages.0.undo", "no needs, and needed by none"),
        ([stage("a", undo="b"), kind("b", "wait", for_s=1)], "stages.0.undo", "must be a plain agent stage"),
    ],
)  # fmt: skip
def test_a_fault_of_a_kind_is_named(stages: list[dict[str, Any]], place: str, reason: str) -> None:
    """Each kind of fault is refused alone, at its place, with a reason."""
    found, told = only_fault(*stages, **HOUR)
    assert (found, reason in told) == (place, True), told


def test_a_stage_undoes_one_other() -> None:
    """A stage cannot undo two, and what undoes is not undone."""
    place, reason = only_fault(stage("a", undo="c"), stage("b", "a", undo="c"), stage("c"), output="b")
    assert (place, reason) == ("stages.0.undo", "'c' undoes 'b' already")
    place, reason = only_fault(stage("a", undo="b"), stage("b"), output="b")
    assert (place, "only when the task fails" in reason) == ("output", True)


def test_stages_that_undo_are_not_begun_with_the_task() -> None:
    """What undoes is not among the stages of a new task, and none of its last ones."""
    template = parse_template(
        {"name": "sample", "stages": [stage("a", undo="c"), stage("b", "a"), stage("c")]}
    )
    plan = Plan(template_id=None, version=1, template=template)  # type: ignore[arg-type]
    assert [one.name for one in plan.new_stages] == ["a", "b"]
    assert (template.sinks, template.output_stage) == (("b",), "b")
    assert template.ancestors["c"] == {"a"}


def test_an_item_is_one_stage_alone() -> None:
    """An item of a fan-out does its stage without needs, conditions or what else is the fan-out's."""
    each = stage("each", "a", for_each={"items": "results.a.x"}, when="results.a", on_error="skip", undo="b")
    template = parse_template({"name": "sample", "output": "each", "stages": [stage("a"), each, stage("b")]})
    plan = Plan(template_id=None, version=1, template=template)  # type: ignore[arg-type]
    (alone,) = plan.of_item("each").new_stages
    assert (alone.name, alone.pending_needs, alone.status) == ("each", 0, StageStatus.READY)
    item = plan.of_item("each")
    assert item.stage("each").calls_agent
    assert item.visible("each", {"a": {"x": 1}}) == {}
    assert plan.stage("each").for_each, "the whole stays as it was"


def newest(**started: list[str]) -> Any:
    """Return a reader of templates, each of which starts some others."""

    def read(name: str) -> Mapping[str, Any] | None:
        found = started.get(name)
        return None if found is None else {"stages": [{"task": {"template": one}} for one in found]}

    return read


def starting(*names: str, name: str = "first") -> Any:
    stages = [kind(f"s{n}", "task", template=one) for n, one in enumerate(names)]
    return parse_template({"name": name, "output": "s0", "stages": stages})


def test_a_circle_of_templates_is_named_with_its_way() -> None:
    """A template that starts itself through others is refused at the stage that leads there, with the way."""
    faults = nesting.circles(starting("far", "second"), newest(second=["third"], third=["first"], far=[]))
    (fault,) = faults
    assert fault.field == "stages.1.task.template"
    assert "first -> second -> third -> first" in fault.reason


def test_a_circle_of_others_is_not_held_against_a_template() -> None:
    """Templates that start each other, which cannot be published, would not keep a third from being read."""
    assert nesting.circles(starting("second"), newest(second=["third"], third=["second"])) == []
    assert nesting.circles(starting("absent"), newest()) == []


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20))
def test_a_circle_is_found_exactly_when_there_is_one(edges: list[tuple[int, int]]) -> None:
    """A template is refused exactly when itself can be reached from it."""
    started = {f"t{n}": sorted({f"t{b}" for a, b in edges if a == n}) for n in range(8)}
    reached: set[str] = set()
    waiting = [one for one in started["t0"] if one != "t0"]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += started[name]
    others = [one for one in started["t0"] if one != "t0"] or ["absent"]
    found = nesting.circles(starting(*others, name="t0"), newest(**started))
    assert bool(found) == ("t0" in reached)


@pytest.mark.parametrize(
    ("expression", "read", "only_input"),
    [
        ("input.x", set(), True),
        ("results.a.x", {"a"}, False),
        ("[results.a, results.b.y[0]]", {"a", "b"}, False),
        ("input.results", set(), False),
        ("results", set(), False),
        ("length(results.a.items[?n > `1`])", {"a"}, False),
    ],
)
def test_what_an_expression_reads_is_known(expression: str, read: set[str], only_input: bool) -> None:
    """The stages that an expression reads are found; of its input alone it is only when nothing is called results."""
    assert expressions.results_read(expression) == read
    assert expressions.reads_only_input(expression) is only_input
