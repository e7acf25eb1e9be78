"""Large values on their way through the engine: kept in the bucket, seen by agents as they are."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest

from steersman.agents.job import StageJob, StageResult
from steersman.errors import AgentError
from steersman.json import dumps
from steersman.tasks.payloads import Payloads
from steersman.tasks.references import MAX_INLINE_BYTES, MAX_PAYLOAD_BYTES, reference_in
from tests.fixtures.engine import Rig, echo, stage

LARGE = {"text": "é" * MAX_INLINE_BYTES, "go": True}
OWN = {"$payload": {"key": "payloads/2026-01/other/secret", "bytes": 2, "sha256": "0" * 64}}
ONCE = {"max_attempts": 1}


def gives(output: Any) -> Callable[[StageJob], StageResult]:
    return lambda _: StageResult(output=output)


def seen_by(rig: Rig, name: str) -> list[StageJob]:
    return [job for job in rig.agent.jobs if job.stage == name]


def stored_outputs(rig: Rig) -> dict[str, Any]:
    return {row["name"]: row["output"] for row in rig.database.run("SELECT name, output FROM task_stages")}


def large_input(rig: Rig, plan: Any, value: Any, count: int = 1) -> list[Any]:
    """Submit tasks whose large input is kept under the name of another task: a clone's is."""
    (task_id,) = rig.submit(plan)
    rig.sqs.take_all()
    (reference,) = Payloads(rig.objects).keep([(task_id, dumps(value))])
    assert not isinstance(reference, Exception)
    return rig.submit(plan, count=count, input=reference.document())


@pytest.mark.parametrize("output", [LARGE, OWN], ids=["large", "looks like a reference"])
def test_a_large_output_is_kept_apart_and_seen_whole(rig: Rig, output: dict[str, Any]) -> None:
    """The row has a reference, the next stage the value itself: also one that looks like a reference, to the letter."""
    rig.behaviours["a"] = gives(output)
    (task_id,) = rig.submit(rig.publish([stage("a"), stage("b", "a")], output="a"))
    rig.drain()
    task = rig.task(task_id)
    assert task["status"] == "completed"
    assert [job.results for job in seen_by(rig, "b")] == [{"a": output}]
    reference = reference_in(task["output"])
    assert reference is not None
    assert stored_outputs(rig)["a"] == task["output"] == reference.document()
    assert rig.objects.kept == {reference.key: dumps(output)}
    assert reference.key.split("/")[2] == str(task_id)


def test_what_is_not_large_stays_in_its_row(rig: Rig) -> None:
    """Up to 64 KiB the store is not asked at all; a byte more and it is."""
    room = MAX_INLINE_BYTES - len(dumps({"t": ""}))
    rig.behaviours["a"] = gives({"t": "x" * room})
    plan = rig.publish([stage("a"), stage("b", "a")])
    rig.submit(plan)
    rig.drain()
    assert rig.objects.calls == 0
    rig.behaviours["a"] = gives({"t": "x" * (room + 1)})
    rig.submit(plan)
    rig.drain()
    assert (len(rig.objects.kept), rig.objects.calls) == (1, 2)


def test_an_output_above_its_limit_fails_its_attempt(rig: Rig) -> None:
    """At 5 MB it is kept, a byte more is an invalid_result that says the size and the limit; other stages go on."""
    room = MAX_PAYLOAD_BYTES - len(dumps({"t": ""}))
    rig.behaviours["a"] = gives({"t": "x" * room})
    rig.behaviours["b"] = gives({"t": "x" * (room + 1)})
    plan = rig.publish([stage("a"), stage("b", retry=ONCE, on_error="skip"), stage("c", "a", "b")])
    (task_id,) = rig.submit(plan)
    rig.drain()
    assert rig.statuses(task_id) == {"a": "completed", "b": "skipped", "c": "completed"}
    error = next(one["error"] for one in rig.task(task_id)["stages"] if one["name"] == "b")
    assert error["code"] == "invalid_result"
    assert "has 5000001 bytes; at most 5000000 are allowed" in error["message"]
    assert [reference.size for reference in map(_reference, [stored_outputs(rig)["a"]])] == [
        MAX_PAYLOAD_BYTES
    ]


def _reference(value: Any) -> Any:
    return reference_in(value)


def test_a_batch_reads_each_value_once_and_only_what_is_seen(rig: Rig) -> None:
    """Many jobs that see the same value share one read, and the value of a stage that is no ancestor is left alone."""
    plan = rig.publish([stage("a"), stage("other"), stage("b", "a"), stage("join", "b", "other")])
    rig.behaviours |= {"a": gives({}), "other": gives(LARGE)}
    large_input(rig, plan, {"question": LARGE["text"]}, count=5)
    rig.objects.calls = 0
    rig.step(batch=100)
    assert len(rig.agent.jobs) == 10
    assert rig.objects.calls == 1 + 5, "one read of the input that all share, five outputs kept"
    rig.objects.calls = 0
    rig.step(batch=100)
    assert [job.results for job in seen_by(rig, "b")] == [{"a": {}}] * 5
    assert {job.input["question"] for job in rig.agent.jobs} == {LARGE["text"]}
    assert rig.objects.calls == 1, "the input; what `other` gave is not for b"
    rig.drain()
    assert [job.results["other"] for job in seen_by(rig, "join")] == [LARGE] * 5


def test_conditions_and_schemas_see_the_real_values(rig: Rig) -> None:
    """`when`, input_schema and output_schema are applied to the value, not to what stands for it."""
    needs_text = {"type": "object", "required": ["text"], "properties": {"text": {"minLength": 65536}}}
    job_schema = {"properties": {"results": {"properties": {"a": needs_text}, "required": ["a"]}}}
    rig.behaviours["a"] = gives(LARGE)
    stages = [
        stage("a", output_schema=needs_text),
        stage("b", "a", when="results.a.go", input_schema=job_schema),
        stage("c", "a", when="!results.a.go"),
    ]
    (task_id,) = rig.submit(rig.publish(stages, output="b"))
    rig.drain()
    assert rig.statuses(task_id) == {"a": "completed", "b": "completed", "c": "skipped"}


@pytest.mark.parametrize(
    ("change", "code"), [(None, "payload_gone"), (b'{"text": "forged"}', "payload_damaged")]
)
def test_a_value_that_is_gone_or_changed_fails_its_stage_only(
    rig: Rig, change: bytes | None, code: str
) -> None:
    """A stage that needs it fails at once with the code; no agent is given anything else, and other tasks go on."""
    rig.behaviours["a"] = gives(LARGE)
    plan = rig.publish([stage("a"), stage("b", "a")])
    broken, sound = rig.submit(plan, count=2)
    rig.step(batch=10)
    key = next(key for key in rig.objects.kept if str(broken) in key)
    if change is None:
        del rig.objects.kept[key]
    else:
        rig.objects.kept[key] = change
    rig.drain()
    assert (rig.task(broken)["status"], rig.task(broken)["error"]["code"]) == ("failed", code)
    assert rig.task(sound)["status"] == "completed"
    assert [job.task_id for job in seen_by(rig, "b")] == [sound]
    letters = rig.sqs.take(10, dead=True)
    assert [code in letter.body for letter in letters] == [True]


def test_a_store_that_is_away_is_tried_again(rig: Rig) -> None:
    """What cannot be kept or read now is an attempt that failed as unavailable; small values of its batch go on."""
    rig.behaviours["a"] = gives(LARGE)
    plan = rig.publish([stage("a"), stage("small"), stage("b", "a", "small")])
    (task_id,) = rig.submit(plan)
    rig.objects.away = True
    rig.step(batch=10)
    assert rig.statuses(task_id) == {"a": "ready", "small": "completed", "b": "pending"}
    assert rig.task(task_id)["stages"][0]["error"]["code"] == "unavailable"
    assert rig.task(task_id)["status"] == "retrying"
    assert stored_outputs(rig)["a"] is None
    rig.objects.away = False
    rig.step(batch=10)
    rig.objects.away = True
    rig.step(batch=10)
    assert seen_by(rig, "b") == []
    assert rig.statuses(task_id)["b"] == "ready"
    rig.objects.away = False
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"
    assert [job.results["a"] for job in seen_by(rig, "b")] == [LARGE]


@pytest.mark.parametrize("fallback", [LARGE, OWN], ids=["large", "looks like a reference"])
def test_a_large_fallback_is_kept_apart_too(rig: Rig, fallback: dict[str, Any]) -> None:
    """A template's own output goes the same way; where it cannot be kept the stage fails, and nothing hangs."""
    rig.behaviours["a"] = gives({"t": "x" * MAX_PAYLOAD_BYTES})
    failing = stage("a", retry=ONCE, on_error="fallback", fallback=fallback)
    plan = rig.publish([failing, stage("b", "a")])
    (task_id,) = rig.submit(plan)
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"
    assert [job.results["a"] for job in seen_by(rig, "b")] == [fallback]
    rig.objects.away = True
    (task_id,) = rig.submit(plan)
    rig.drain()
    assert (rig.task(task_id)["status"], rig.task(task_id)["error"]["code"]) == ("failed", "unavailable")


def test_a_small_fallback_stands_in_where_the_bucket_is_away(rig: Rig) -> None:
    """A result that cannot be kept is a failed attempt like any other: on_error has its say, and its cost stays."""
    rig.behaviours["a"] = lambda job: echo(job)._replace(output=LARGE, cost_usd=Decimal(1))
    plan = rig.publish([stage("a", retry=ONCE, on_error="fallback", fallback={"s": 1}), stage("b", "a")])
    (task_id,) = rig.submit(plan)
    rig.objects.away = True
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"
    assert [job.results["a"] for job in seen_by(rig, "b")] == [{"s": 1}]
    assert rig.task(task_id)["cost_usd"] == 1


def test_large_values_are_in_memory_by_waves(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch whose values do not fit into memory together is done in parts, and what many jobs share counts once."""
    monkeypatch.setattr("steersman.tasks.attempt_payloads.WAVE_BYTES", 3 * len(dumps(LARGE)))
    calls: list[int] = []
    run = rig.agent.run

    def counting(jobs: Sequence[StageJob]) -> list[StageResult | AgentError]:
        calls.append(len(jobs))
        return run(jobs)

    monkeypatch.setattr(rig.agent, "run", counting)
    rig.behaviours["a"] = gives(LARGE)
    plan = rig.publish([stage("a"), stage("b", "a")])
    ids = rig.submit(plan, count=7)
    rig.step(batch=100)
    rig.step(batch=100)
    assert calls == [7, 3, 3, 1]
    assert {rig.task(task_id)["status"] for task_id in ids} == {"completed"}
    calls.clear()
    large_input(rig, rig.publish([stage("c")], name="shared"), LARGE, count=7)
    rig.step(batch=100)
    assert calls == [7]


def test_waves_end_before_the_function_s_time_does(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no time is left for is tried again, and its agents are not asked; the leases of later waves are renewed."""
    monkeypatch.setattr("steersman.tasks.attempt_payloads.WAVE_BYTES", 1)
    clock = Clock()
    monkeypatch.setattr("steersman.tasks.attempts.monotonic", clock)
    rig.behaviours["a"] = gives(LARGE)
    told: list[float] = []
    plan = rig.publish([stage("a"), stage("b", "a", timeout_s=60)])
    rig.submit(plan, count=3)
    rig.step(batch=100)

    def slow(job: StageJob) -> StageResult:
        clock.now += 25
        return echo(job)

    rig.behaviours["b"] = slow

    def wait_and_tell(calls: Any, while_running: Callable[[float], float]) -> None:
        told.append(while_running(1.0))
        for call in calls:
            call.future.result()

    monkeypatch.setattr("steersman.tasks.attempts._await", wait_and_tell)
    monkeypatch.setattr(rig.engine, "_while_running", lambda batch, waited_s: waited_s)
    report = rig.step(batch=100)
    assert report is not None
    assert report.counts == {"claimed": 3, "completed": 2, "ready": 1}
    assert told == [1.0, 26.0]
    assert len(seen_by(rig, "b")) == 2


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now
