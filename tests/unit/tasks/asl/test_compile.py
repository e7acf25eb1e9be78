"""What stands in a definition: policy that holds in every state, and the limits of Step Functions."""

import json
from typing import Any

import pytest
from cfnlint import api as cfn_lint

from steersman.errors import InvalidInput
from steersman.tasks.asl.compile import MAX_NAME, compile_template
from steersman.tasks.asl.history import MAX_EVENTS, all_states
from steersman.tasks.asl.retries import SILENCE
from steersman.tasks.asl.states import SEND_AND_WAIT
from steersman.tasks.asl.words import QUEUE_PREFIX, Failure
from steersman.tasks.template import Template, parse_template
from steersman.tasks.templates import default_templates
from tests.fixtures.engine import stage
from tests.unit.tasks.asl.runs import run
from tests.unit.tasks.asl.test_kinds import approval, fan_out, plan_of, wait
from tests.unit.tasks.asl.workers import Workers

EVERYTHING = plan_of(
    stage("a", undo="undo_a"),
    stage("b", "a", when="input.x", on_error="skip"),
    approval("c", "a", escalate_to=["x"], default={"v": 1}),
    wait("w", "b", for_s=60),
    fan_out("f", "b", "c", tolerate=1),
    fan_out("g", "c", max_items=10_000),
    {"name": "n", "kind": "task", "needs": ["g"], "task": {"template": "other"}, "when": "results.c.go"},
    stage("undo_a"),
    stage("z", "w", "f", "n"),
).template
TEMPLATES = {template.name: template for template in [*default_templates(), EVERYTHING]}
each_template = pytest.mark.parametrize("name", TEMPLATES)


def states(template: Template) -> dict[str, dict[str, Any]]:
    return dict(all_states(compile_template(template).definition))


def tasks(template: Template) -> dict[str, dict[str, Any]]:
    return {name: state for name, state in states(template).items() if state["Type"] == "Task"}


def retry_of(**retry: Any) -> list[dict[str, Any]]:
    template = parse_template({"name": "one", "stages": [stage("a", retry=retry)]})
    found: list[dict[str, Any]] = states(template)["a"]["Retry"]
    return found


def template_of(*stages: dict[str, Any]) -> Template:
    return parse_template({"name": "large", "output": stages[-1]["name"], "stages": list(stages)})


@each_template
def test_every_task_asks_the_queue_of_its_stage(name: str) -> None:
    """Every Task sends names and its token to its stage's queue, in the lane of the execution, and no payload."""
    template = TEMPLATES[name]
    for state_name, state in tasks(template).items():
        stage_name = state_name.partition(".")[0]
        asked = next(iter(template.undoes)) if stage_name == "task" else stage_name
        queue = template.by_name[asked].queue
        assert state["Resource"] == SEND_AND_WAIT
        assert state["Parameters"]["QueueUrl.$"] == f"States.Format('{QUEUE_PREFIX}{queue}-{{}}', $.lane)"
        body = state["Parameters"]["MessageBody"]
        assert body["token.$"] == "$$.Task.Token"
        assert set(body) <= {"jobs.$", "move", "token.$", "item.$"}


@each_template
def test_every_task_outlasts_silence_and_no_final_failure(name: str) -> None:
    """What a worker says is final is never tried again; what nobody answered is sent again."""
    for state in tasks(TEMPLATES[name]).values():
        never, *_, last = state["Retry"]
        assert Failure.FINAL in never["ErrorEquals"]
        assert never["MaxAttempts"] == 0
        assert last == SILENCE


def test_definitions_are_valid() -> None:
    """Every definition passes the schema of Amazon States Language that cfn-lint has."""
    assert lint(*(compile_template(template).definition for template in TEMPLATES.values())) == []


def test_the_schema_finds_what_is_wrong() -> None:
    """The check above is one: a Task that goes nowhere, and a start that is not there, are found."""
    definition = compile_template(TEMPLATES["quick_answer"]).definition
    del definition["States"]["executor"]["Next"]
    assert len(lint(definition, {**definition, "StartAt": "nowhere"})) == 3


def lint(*definitions: dict[str, Any]) -> list[str]:
    role = "arn:aws:iam::123456789012:role/any"
    texts = [
        json.dumps(one).replace(QUEUE_PREFIX, "https://sqs.eu-west-1.amazonaws.com/1/s-")
        for one in definitions
    ]
    machines = {
        f"Machine{number}": {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {"RoleArn": role, "DefinitionString": text},
        }
        for number, text in enumerate(texts)
    }
    return [str(match) for match in cfn_lint.lint(json.dumps({"Resources": machines}), regions=["eu-west-1"])]


@each_template
def test_every_state_leads_somewhere(name: str) -> None:
    """Every state is reached, and every name that is gone to is a state of the same machine."""
    for machine in machines(compile_template(TEMPLATES[name]).definition):
        gone_to = {machine["StartAt"]}
        for state in machine["States"].values():
            rules = [state, *state.get("Catch", []), *state.get("Choices", [])]
            gone_to |= {rule[field] for rule in rules for field in ("Next", "Default") if field in rule}
        assert gone_to == set(machine["States"])


def machines(definition: dict[str, Any]) -> list[dict[str, Any]]:
    inner = [
        machine
        for state in definition["States"].values()
        for machine in [*state.get("Branches", []), *filter(None, [state.get("ItemProcessor")])]
    ]
    return [definition, *(found for machine in inner for found in machines(machine))]


@each_template
def test_a_template_runs_through(name: str) -> None:
    """Every default template, and one with every kind of stage, ends with each of its stages ended."""
    plan = plan_of(
        *[one.model_dump(mode="json") for one in TEMPLATES[name].stages], output=TEMPLATES[name].output
    )
    workers = Workers(plan, items=range(5))
    assert run(workers)[1] is None
    assert set(workers.ended) == {one.name for one in plan.template.planned}


def test_research_searches_the_web_beside_retrieval() -> None:
    """complex_research is a chain with one Parallel of two branches, and adds no join."""
    made = compile_template(TEMPLATES["complex_research"])
    assert made.joins == ()
    (parallel,) = [state for state in made.definition["States"].values() if state["Type"] == "Parallel"]
    assert [branch["StartAt"] for branch in parallel["Branches"]] == ["embedding", "websearch"]


def test_rules_become_retriers() -> None:
    """Failures with the same rule share a retrier; a kind with a rule has its own; permanent ones are final."""
    never, throttled, others, _ = retry_of(
        max_attempts=3, backoff_s=0.5, max_backoff_s=60,
        on={"throttled": {"max_attempts": 12, "backoff_s": 30, "factor": 3, "max_backoff_s": 3600}},
    )  # fmt: skip
    assert Failure.PERMANENT in never["ErrorEquals"]
    assert throttled == {
        "ErrorEquals": [Failure.THROTTLED],
        "IntervalSeconds": 30,
        "BackoffRate": 3.0,
        "MaxAttempts": 11,
        "MaxDelaySeconds": 3600,
        "JitterStrategy": "FULL",
    }
    assert others["ErrorEquals"] == [Failure.TIMEOUT, Failure.FAILED, Failure.LEASE_LOST]
    assert (others["IntervalSeconds"], others["MaxAttempts"], others["MaxDelaySeconds"]) == (1, 2, 60)


@pytest.mark.parametrize(("backoff_s", "max_backoff_s"), [(0.001, 0.002), (8, 8), (90, 60), (1, 604_800)])
def test_retriers_keep_to_the_limits_of_the_language(backoff_s: float, max_backoff_s: float) -> None:
    """Intervals are whole seconds from 1, and a ceiling is above its interval: where there is none, no delay grows."""
    (retrier,) = retry_of(max_attempts=2, backoff_s=backoff_s, max_backoff_s=max_backoff_s)[1:-1]
    assert isinstance(retrier["IntervalSeconds"], int)
    assert 1 <= retrier["IntervalSeconds"] <= max(1, max_backoff_s)
    if "MaxDelaySeconds" in retrier:
        assert retrier["IntervalSeconds"] < retrier["MaxDelaySeconds"] < 31_622_400
    else:
        assert retrier["BackoffRate"] == 1.0


def test_a_single_attempt_is_never_tried_again() -> None:
    """With one attempt in all there is no retrier but the one for silence."""
    never, silence = retry_of(max_attempts=1)
    assert set(never["ErrorEquals"]) == set(Failure)
    assert silence == SILENCE


def test_a_missed_heartbeat_comes_before_the_timeout() -> None:
    """A worker has a stage's whole time from when it takes the job, however late it takes it."""
    state = states(parse_template({"name": "one", "stages": [stage("a", timeout_s=45.5)]}))["a"]
    assert state["HeartbeatSeconds"] == 900
    assert state["TimeoutSeconds"] >= state["HeartbeatSeconds"] + 45.5 + 30


def test_the_longest_names_fit() -> None:
    """Names of states have at most 80 characters, of the longest stage name too, and none is there twice."""
    made = compile_template(plan_of({**fan_out("f" * 40), "when": "input.x", "on_error": "skip"}).template)
    names = [name for name, _ in all_states(made.definition)]
    assert max(map(len, names)) <= MAX_NAME
    assert len(set(names)) == len(names)


def test_few_items_run_inside_and_many_outside() -> None:
    """Fan-outs run within the execution as long as its history holds them; each item of the others has its own."""
    few, many = fan_out("few", max_items=1000), fan_out("many", max_items=1500)
    assert compile_template(plan_of(few).template).inline == {"few"}
    both = compile_template(plan_of(few, many, stage("z", "few", "many")).template)
    assert both.inline == {"few"}
    assert both.most_events <= MAX_EVENTS
    modes = {
        name: state["ItemProcessor"]["ProcessorConfig"]["Mode"]
        for name, state in all_states(both.definition)
        if state["Type"] == "Map"
    }
    assert modes == {"few.items": "INLINE", "many.items": "DISTRIBUTED"}


def test_many_at_a_time_run_outside() -> None:
    """A Map within the execution does 40 items at a time at most."""
    assert compile_template(plan_of(fan_out("f", concurrency=40)).template).inline == {"f"}
    assert compile_template(plan_of(fan_out("f", concurrency=41)).template).inline == frozenset()


def test_a_template_that_does_not_fit_is_refused() -> None:
    """A template whose execution could outgrow its history is refused with the reason and what to do."""
    stages = [stage(f"s{number}", retry={"max_attempts": 100}) for number in range(100)]
    with pytest.raises(InvalidInput, match="orchestrator 'queue'") as caught:
        compile_template(template_of(*stages))
    (fault,) = caught.value.faults
    assert fault.field == "stages"
    assert "lower retry.max_attempts" in fault.reason


def test_a_large_template_fits() -> None:
    """A hundred stages with conditions fit into a definition of 1 MB."""
    stages = [
        stage("s0"),
        *(stage(f"s{n}", f"s{n - 1}", when="input.x", on_error="skip") for n in range(1, 100)),
    ]
    assert len(json.dumps(compile_template(template_of(*stages)).definition)) < 1024 * 1024
