"""What follows an attempt: retries, the ways of `on_error`, and `when`."""

import random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman.errors import (
    AgentError,
    AgentRefused,
    AgentThrottled,
    Fault,
    InvalidResult,
    StageTimeout,
    SteersmanError,
)
from steersman.tasks.expressions import ExpressionFailed
from steersman.tasks.planner import (
    BudgetSpent,
    DeadlinePassed,
    Decision,
    LeaseLost,
    Plan,
    describe,
    retry_delay_s,
)
from steersman.tasks.template import Retry, parse_template
from steersman.tasks.words import StageStatus
from tests.fixtures.engine import stage

RNG = random.Random(1)  # noqa: S311 - jitter


def plan(*stages: dict[str, object], **more: object) -> Plan:
    return Plan(UUID(int=1), 1, parse_template({"name": "sample", "stages": list(stages), **more}))


@given(
    st.builds(
        Retry,
        max_attempts=st.integers(1, 20),
        backoff_s=st.floats(0.001, 900),
        factor=st.floats(1, 10),
        max_backoff_s=st.floats(0.001, 900),
    ),
    st.integers(1, 20),
    st.integers(0, 1000),
)
def test_a_retry_waits_within_its_bound(retry: Retry, attempt: int, seed: int) -> None:
    """A delay lies in [0, backoff * factor^(attempt-1)] and never above the ceiling."""
    delay = retry_delay_s(retry, attempt, random.Random(seed))  # noqa: S311 - jitter
    assert 0 <= delay <= min(retry.max_backoff_s, retry.backoff_s * retry.factor ** (attempt - 1))


def test_retries_are_spread_over_the_whole_bound() -> None:
    """Full jitter: delays of many equal attempts fill the interval, so that they do not come back together."""
    rng = random.Random(5)  # noqa: S311 - jitter
    delays = [retry_delay_s(Retry(backoff_s=8, factor=2, max_backoff_s=100), 2, rng) for _ in range(1000)]
    assert min(delays) < 0.5
    assert max(delays) > 15.5
    assert 7 < sum(delays) / len(delays) < 9


@pytest.mark.parametrize(
    ("error", "attempt", "on_error", "expected"),
    [
        (AgentError("x"), 1, "fail", "ready"),
        (AgentError("x"), 2, "skip", "ready"),
        (StageTimeout("x"), 2, "fallback", "ready"),
        (InvalidResult("x"), 1, "fail", "ready"),
        (LeaseLost("x"), 1, "fail", "ready"),
        (AgentError("x"), 3, "fail", "failed"),
        (AgentError("x"), 3, "skip", "skipped"),
        (AgentError("x"), 3, "fallback", "completed"),
        (AgentRefused("x"), 1, "fail", "failed"),
        (AgentRefused("x"), 1, "skip", "skipped"),
        (AgentRefused("x"), 1, "fallback", "completed"),
        (LeaseLost("x"), 4, "fail", "failed"),
        (ExpressionFailed("x"), 1, "skip", "skipped"),
    ],
)
def test_what_follows_a_failure(error: SteersmanError, attempt: int, on_error: str, expected: str) -> None:
    """A retryable error is tried again up to max_attempts; then, or when it is final, `on_error` decides."""
    more = {"fallback": {"safe": 1}} if on_error == "fallback" else {}
    made = plan(stage("a", on_error=on_error, **more), stage("b", "a"))
    decision = made.failed("a", attempt, error, RNG)
    assert decision.status == expected
    assert decision.fails_task == (expected == "failed")
    assert decision.releases == (("b",) if expected in {"skipped", "completed"} else ())
    assert (decision.retry_delay_s is not None) == (expected == "ready")
    assert decision.output == ({"safe": 1} if expected == "completed" else None)
    assert decision.error is not None
    assert decision.error["code"] == error.code


@pytest.mark.parametrize(
    ("error", "attempt", "tried_again"),
    [
        (AgentThrottled("x"), 4, True),
        (AgentThrottled("x"), 5, False),
        (StageTimeout("x"), 1, True),
        (StageTimeout("x"), 2, False),
        (AgentRefused("x"), 1, True),
        (AgentRefused("x"), 2, False),
        (AgentError("x"), 2, True),
        (AgentError("x"), 3, False),
    ],
)
def test_a_kind_of_failure_has_its_own_rule(error: SteersmanError, attempt: int, tried_again: bool) -> None:
    """What is throttled, takes too long or is refused for good is tried as often as the rule for that kind says."""
    rules = {
        "throttled": {"max_attempts": 5},
        "timeout": {"max_attempts": 2},
        "permanent": {"max_attempts": 2},
    }
    made = plan(stage("a", retry={"max_attempts": 3, "on": rules}))
    assert (made.failed("a", attempt, error, RNG).status is StageStatus.READY) == tried_again
    assert made.stage("a").retry.most_attempts == 5


def test_retry_after_is_waited_for() -> None:
    """A retry comes after the time that the agent asked for, and its jitter, but not beyond the ceiling."""
    made = plan(stage("a", retry={"max_attempts": 3, "backoff_s": 1, "max_backoff_s": 60}))
    delays = [
        made.failed("a", 1, AgentThrottled("x", retry_after_s=40), RNG).retry_delay_s for _ in range(50)
    ]
    assert all(delay is not None and 40 <= delay <= 41 for delay in delays)
    assert len(set(delays)) > 1
    assert made.failed("a", 1, AgentThrottled("x", retry_after_s=3600), RNG).retry_delay_s == 60
    busy = AgentError("x", retry_after_s=40)
    assert (made.failed("a", 1, busy, RNG).retry_delay_s or 0) <= 1


def test_without_rules_of_their_own_all_failures_share_one() -> None:
    """Where no kind has a rule, max_attempts is what every stage has."""
    assert plan(stage("a", retry={"max_attempts": 4})).stage("a").retry.most_attempts == 4


@pytest.mark.parametrize("error", [DeadlinePassed("late"), BudgetSpent("spent")])
def test_a_fatal_error_ends_the_task_whatever_the_template_says(error: SteersmanError) -> None:
    """When the deadline or the budget is gone, neither retry nor skip nor fallback applies."""
    made = plan(stage("a", on_error="skip"))
    assert made.fatal(describe(error)) == Decision(
        status=StageStatus.FAILED, error=describe(error), fails_task=True
    )


def test_an_ended_stage_says_what_it_sets_free() -> None:
    """A completed stage releases all that need it; a last one counts as a sink; the output stage gives the output."""
    made = plan(stage("a"), stage("b", "a"), stage("c", "a"), output="b")
    first, second, third = (made.completed(name, {"n": 1}) for name in "abc")
    assert (first.releases, first.ends_sink, first.gives_task_output) == (("b", "c"), False, False)
    assert (second.releases, second.ends_sink, second.gives_task_output) == ((), True, True)
    assert (third.ends_sink, third.gives_task_output) == (True, False)


def test_a_stage_sees_all_its_ancestors_and_no_other_stage() -> None:
    """Results are those of ancestors, near and far; null where there is none."""
    made = plan(stage("a"), stage("b", "a"), stage("other"), stage("c", "b"), output="c")
    assert made.visible("c", {"a": {"n": 1}, "other": {"n": 2}}) == {"a": {"n": 1}, "b": None}


@pytest.mark.parametrize(
    ("when", "wanted"),
    [
        (None, True),
        ("results.a.n > `1`", True),
        ("results.a.n > `2`", False),
        ("results.a.missing", False),
        ("results.a.empty", False),
        ("input.deep", True),
        ("!(results.a.flag)", True),
        ("length(results.a.list) == `2`", True),
    ],
)
def test_when_lets_a_stage_run_or_not(when: str | None, wanted: bool) -> None:
    """`when` is JMESPath over the task's input and the ancestors' results; a falsy value skips the stage."""
    made = plan(stage("a"), stage("b", "a", when=when))
    results = {"a": {"n": 2, "empty": [], "flag": False, "list": [1, 2]}}
    assert made.wanted("b", {"deep": True}, results) is wanted


def test_a_condition_that_cannot_be_applied_says_so_without_the_payload() -> None:
    """The length of null is a failure of the stage, not of the worker, and its reason holds no value."""
    made = plan(stage("a"), stage("b", "a", when="length(results.a.n) > `1`"))
    with pytest.raises(ExpressionFailed) as caught:
        made.wanted("b", {}, {"a": {"n": 424242}})
    assert "424242" not in caught.value.message
    assert not caught.value.retryable


def test_an_error_is_described_with_its_faults() -> None:
    """What is stored of an error is its code, message, whether a retry can help, and the faults by field."""
    error = InvalidResult("no", faults=(Fault("output.n", "missing"),))
    assert describe(error) == {
        "code": "invalid_result",
        "message": "no",
        "retryable": True,
        "faults": [{"field": "output.n", "reason": "missing"}],
    }


def test_compiled_schemas_are_kept() -> None:
    """A plan compiles a stage's schema once, and has none where the template has none."""
    made = plan(stage("a", output_schema={"type": "object"}))
    assert made.schema("a", "output_schema") is made.schema("a", "output_schema")
    assert made.schema("a", "input_schema") is None
    assert made.input_schema is None
