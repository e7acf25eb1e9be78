"""The order of steps and what their watcher is told."""

import threading
from pathlib import Path

import pytest

from steersman.local.errors import LocalCloudError
from steersman.local.steps import Silent, Step, check_order, explain, ready_steps, run_steps


class Told:
    """Progress that keeps what it was told."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def started(self, step: str) -> None:
        self.calls.append(("started", step))

    def finished(self, step: str, seconds: float, detail: str) -> None:
        self.calls.append(("finished", f"{step}: {detail}"))

    def failed(self, step: str, seconds: float, error: BaseException) -> None:
        self.calls.append(("failed", f"{step}: {error}"))


def test_a_step_waits_for_what_it_needs() -> None:
    """A step starts only after every step it needs has finished."""
    told = Told()
    run_steps(
        [Step("a", lambda: "1"), Step("b", lambda: "2"), Step("c", lambda: "3", needs=("a", "b"))], told
    )
    assert told.calls[-2:] == [("started", "c"), ("finished", "c: 3")]


def test_independent_steps_run_at_the_same_time() -> None:
    """Two steps that do not need each other can wait for each other without a deadlock."""
    together = threading.Barrier(2, timeout=10)

    def meet() -> str:
        together.wait()
        return "met"

    run_steps([Step("a", meet), Step("b", meet)], Silent())
    assert not together.broken


def test_nothing_starts_after_a_failure_and_it_is_raised() -> None:
    """After a step has failed no step that waited is started, and the caller gets that error."""
    told = Told()

    def fail() -> str:
        raise LocalCloudError("broken")

    with pytest.raises(LocalCloudError, match="broken"):
        run_steps([Step("a", fail), Step("b", lambda: "", needs=("a",))], told)
    assert told.calls == [("started", "a"), ("failed", "a: broken")]


def test_a_running_step_ends_before_the_failure_is_raised() -> None:
    """A step that runs when another fails is not abandoned: it has ended when the error is raised."""
    failed, ended = threading.Event(), threading.Event()

    def fail() -> str:
        failed.set()
        raise LocalCloudError("broken")

    def slow() -> str:
        failed.wait(10)
        ended.set()
        return ""

    with pytest.raises(LocalCloudError):
        run_steps([Step("slow", slow), Step("fail", fail)], Silent())
    assert ended.is_set()


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ([Step("a", str), Step("a", str)], "comes twice"),
        ([Step("a", str, needs=("b",)), Step("b", str)], "needs b"),
        ([Step("a", str, needs=("a",))], "needs a"),
    ],
)
def test_an_impossible_order_is_refused(steps: list[Step], reason: str) -> None:
    """Steps that could never all run are refused before any of them runs."""
    with pytest.raises(ValueError, match=reason):
        check_order(steps)


def test_ready_steps_are_those_without_open_needs() -> None:
    """Exactly the steps whose needs are done are ready, in their order."""
    a, b, c = Step("a", str), Step("b", str, needs=("x",)), Step("c", str, needs=("x", "y"))
    assert ready_steps([a, b, c], {"x"}) == [a, b]


def test_an_error_is_explained_with_log_and_advice() -> None:
    """Whatever shows an error gets what failed, where the log is and what to do."""
    told = explain(LocalCloudError("no", log=Path("x.log"), advice="Try."))
    assert told == {"message": "no", "log": "x.log", "advice": "Try."}
    assert explain(RuntimeError())["message"] == "RuntimeError"
