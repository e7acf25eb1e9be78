"""What can be wrong with a template: every fault is found, and named with its place."""

from typing import Any

import pytest

from steersman.errors import InvalidInput
from steersman.tasks.template import parse_template
from tests.fixtures.engine import stage


def faults(*stages: dict[str, Any], **more: Any) -> dict[str, str]:
    """Return place -> reason of everything wrong with a template of these stages."""
    with pytest.raises(InvalidInput) as caught:
        parse_template({"name": "sample", "stages": list(stages), **more})
    return {fault.field: fault.reason for fault in caught.value.faults}


def only_fault(*stages: dict[str, Any], **more: Any) -> tuple[str, str]:
    (found,) = faults(*stages, **more).items()
    return found


@pytest.mark.parametrize(
    ("stages", "place", "reason"),
    [
        ([stage("a", "a")], "stages.0.needs.0", "'a' needs itself"),
        ([stage("a"), stage("b", "x")], "stages.1.needs.0", "there is no stage 'x'"),
        ([stage("a"), stage("b", "a", "a")], "stages.1.needs.1", "'a' is named twice"),
        ([stage("a"), stage("b", "a"), stage("a")], "stages.2.name", "'a' is already the name of stages.0"),
        ([stage("a", on_error="fallback")], "stages.0.fallback", "needs a fallback output"),
        ([stage("a", fallback={})], "stages.0.fallback", "never used"),
        ([stage("a", on_error="skip", fallback={})], "stages.0.fallback", "never used"),
        ([stage("a", when="][")], "stages.0.when", "not a JMESPath expression"),
        ([stage("a", when="sort_of(input)")], "stages.0.when", "there is no function 'sort_of'"),
        ([stage("a", when="length(input, input)")], "stages.0.when", "'length' takes 1 arguments, not 2"),
        ([stage("a", when="input.x && length()")], "stages.0.when", "'length' takes 1 arguments, not 0"),
        ([stage("a"), stage("b", when="results.a.x")], "stages.1.when", "stage 'a' does not end before"),
        ([stage("a", when="results.a")], "stages.0.when", "stage 'a' does not end before"),
        ([stage("a", when="results.z.x")], "stages.0.when", "stage 'z' does not exist"),
        (
            [stage("a", output_schema={"type": "strin"})],
            "stages.0.output_schema",
            "not a JSON Schema 2020-12",
        ),
        ([stage("a", input_schema={"pattern": "("})], "stages.0.input_schema", "not a JSON Schema 2020-12"),
        (
            [stage("a", output_schema={"$ref": "http://x.example/s"})],
            "stages.0.output_schema",
            "outside this schema",
        ),
        (
            [stage("a", output_schema={"$ref": "file:///etc/hosts"})],
            "stages.0.output_schema",
            "outside this schema",
        ),
        ([stage("a", output_schema={"$ref": "#/$defs/no"})], "stages.0.output_schema", "does not exist"),
        ([stage("a", output_schema={"$schema": "http://x.example/s"})], "stages.0.output_schema", "$schema"),
        (
            [
                stage(
                    "a",
                    on_error="fallback",
                    fallback={"n": "x"},
                    output_schema={"properties": {"n": {"type": "integer"}}},
                )
            ],
            "stages.0.fallback.n",
            "is not of type",
        ),
    ],
)
def test_a_fault_is_named_with_its_place(stages: list[dict[str, Any]], place: str, reason: str) -> None:
    """Each kind of fault is refused alone, at its place, with a reason."""
    more = {"output": "b"} if stages[-1]["name"] == "b" else {}
    found, why = only_fault(*stages, **more)
    assert found == place
    assert reason in why


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"name": "Not A Name"}, "name"),
        ({"stages": []}, "stages"),
        ({"stages": [stage(f"s{n}") for n in range(101)]}, "stages"),
        ({"stages": [{"name": "a"}]}, "stages.0.queue"),
        ({"stages": [stage("a", queue="elsewhere")]}, "stages.0.queue"),
        ({"stages": [stage("A")]}, "stages.0.name"),
        ({"stages": [stage("a", capability="Not one")]}, "stages.0.capability"),
        ({"stages": [stage("a", timeout_s=101)]}, "stages.0.timeout_s"),
        ({"stages": [stage("a", retry={"max_attempts": 0})]}, "stages.0.retry.max_attempts"),
        ({"stages": [stage("a", retry={"factor": 0.5})]}, "stages.0.retry.factor"),
        ({"stages": [stage("a", on_error="panic")]}, "stages.0.on_error"),
        ({"stages": [stage("a", wen="x")]}, "stages.0.wen"),
        ({"deadline_s": 0}, "deadline_s"),
        ({"orchestrator": "by hand"}, "orchestrator"),
        ({"input_schema": {"type": 7}}, "input_schema"),
        ({"output": "nowhere"}, "output"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_field_out_of_its_range_is_named(change: dict[str, Any], place: str) -> None:
    """A field that is missing, misspelt, of a wrong type or out of its range is refused by its name."""
    document = {"name": "sample", "stages": [stage("a")], **change}
    with pytest.raises(InvalidInput) as caught:
        parse_template(document)
    assert place in {fault.field for fault in caught.value.faults}


def test_a_cycle_is_told_with_its_way_and_what_waits_behind_it() -> None:
    """The stages of a cycle are named in their order, once, and each stage that only waits for it is unreachable."""
    found = faults(
        stage("a"), stage("b", "a", "d"), stage("c", "b"), stage("d", "c"), stage("e", "d"), output="e"
    )
    assert set(found) == {"stages.1.needs", "stages.4"}
    assert "b -> d -> c -> b" in found["stages.1.needs"]
    assert found["stages.4"] == "'e' is unreachable: it waits for a cycle"


def test_two_cycles_are_two_faults() -> None:
    """Cycles that share no stage are each named."""
    found = faults(stage("a", "b"), stage("b", "a"), stage("c", "d"), stage("d", "c"))
    assert set(found) == {"stages.0.needs", "stages.2.needs"}


def test_every_fault_is_found_at_once() -> None:
    """A template with faults at many places is refused with all of them."""
    found = faults(stage("a", "x"), stage("a"), stage("b", fallback={}), input_schema={"type": 7})
    assert set(found) == {"stages.0.needs.0", "stages.1.name", "stages.2.fallback", "input_schema"}


def test_many_last_stages_need_a_named_output() -> None:
    """When several stages end the DAG, the one that gives the output must be said; then all is well."""
    stages = [stage("a"), stage("b", "a"), stage("c", "a")]
    place, reason = only_fault(*stages)
    assert place == "output"
    assert "b, c" in reason
    made = parse_template({"name": "sample", "stages": stages, "output": "b"})
    assert (made.output_stage, made.sinks) == ("b", ("b", "c"))


def test_the_graph_is_read_from_needs() -> None:
    """Dependants, sinks and ancestors follow from `needs`, in any order of the stages."""
    made = parse_template(
        {"name": "sample", "stages": [stage("d", "b", "c"), stage("b", "a"), stage("c", "a"), stage("a")]}
    )
    assert made.dependants == {"d": (), "b": ("d",), "c": ("d",), "a": ("b", "c")}
    assert made.sinks == ("d",)
    assert made.ancestors == {"a": set(), "b": {"a"}, "c": {"a"}, "d": {"a", "b", "c"}}


def test_conditions_may_read_far_ancestors_and_the_input() -> None:
    """`when` may read any ancestor, quoted or not, inside functions, filters and comparisons."""
    expressions = [
        "results.a.n > `1` && input.deep",
        'results."a".n',
        "length(results.b.items) > `0`",
        "contains(keys(results.a), 'n') || !(input.x)",
        "results.a.items[?n > `1`] | [0]",
        "max_by(results.b.items, &n)",
        "merge(results.a, results.b, input)",
    ]
    for expression in expressions:
        made = parse_template(
            {"name": "sample", "stages": [stage("a"), stage("b", "a"), stage("c", "b", when=expression)]}
        )
        assert made.by_name["c"].when == expression


def test_a_condition_inside_a_function_is_looked_through() -> None:
    """A stage read anywhere in an expression must have ended."""
    place, reason = only_fault(stage("a"), stage("b", when="length(keys(results.a)) > `1`"), output="b")
    assert place == "stages.1.when"
    assert "results.a" in reason


def test_a_long_chain_is_a_template() -> None:
    """The largest template, a chain of 100 stages, is read without trouble."""
    names = [f"s{n}" for n in range(100)]
    stages = [stage(name, *([names[n - 1]] if n else [])) for n, name in enumerate(names)]
    made = parse_template({"name": "sample", "stages": stages[::-1]})
    assert len(made.ancestors["s99"]) == 99
