"""Dead letters: written when a stage fails for good, read with their context, redriven or discarded once."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import redis

from steersman.agents.job import StageJob
from steersman.audit import service as audit_service
from steersman.errors import AgentError, AgentRefused, Conflict, InvalidInput, KeyReused, NotFound, TooLarge
from steersman.ids import DEFAULT_PROJECT_ID, new_id
from steersman.tasks import attempt_store, letters, redrives, resumption_store
from steersman.tasks.attempt_store import Lease, Outcome
from steersman.tasks.letter_views import Redrives
from steersman.tasks.planner import describe
from steersman.tasks.words import Resumption
from tests.fixtures.engine import Rig, costly, echo, stage
from tests.fixtures.resuming import Again, again, asked

STAGES = [stage("a"), stage("b", "a"), stage("c", "b")]
SCHEMA = {"type": "object", "required": ["question"], "properties": {"question": {"type": "string"}}}


@pytest.fixture
def runs(rig: Rig, redis_client: redis.Redis) -> Again:
    return again(rig, redis_client)


def broken(_: StageJob) -> AgentError:
    return AgentRefused("it is broken")


def dead(rig: Rig, count: int = 1, *, at: str = "b", **more: Any) -> list[UUID]:
    """Return tasks that failed at a stage; the agent works again."""
    rig.behaviours[at] = broken
    tasks = rig.submit(rig.publish(STAGES, **more), count=count)
    rig.drain()
    rig.behaviours.clear()
    return tasks


def test_what_fails_for_good_leaves_a_letter(rig: Rig, runs: Again) -> None:
    """A stage that fails its task is a dead letter in the transaction that fails it; one that is retried is none."""
    rig.behaviours["a"] = lambda job: AgentError("once") if job.attempt == 1 else echo(job)
    (task_id,) = dead(rig)
    (letter,) = runs.open_letters()
    expected = {
        "task_id": task_id,
        "stage": "b",
        "template": "sample",
        "template_version": 1,
        "queue": "executor",
        "capability": "test.do",
        "attempt": 1,
        "status": "open",
        "project": "default",
        "decided_by": None,
    }
    assert letter.items() >= expected.items()
    assert (letter["error"]["code"], letter["error"]["agent"]) == ("agent_refused", "worker")
    failed = next(stage for stage in rig.task(task_id)["stages"] if stage["name"] == "b")
    assert letter["failed_at"] == datetime.fromisoformat(failed["finished_at"])
    assert letter["id"].version == 7


def test_a_failure_that_is_told_twice_is_one_letter(rig: Rig, runs: Again) -> None:
    """A worker that stores the same failure again writes no second letter."""
    plan = rig.publish([stage("a")])
    (task_id,) = rig.submit(plan)
    lease = Lease(task_id, "a", 1, new_id())
    attempt_store.claim(rig.database, [lease], lease_s=30.0)
    outcome = Outcome(task_id, "a", lease.lease_id, plan.fatal(describe(AgentRefused("broken"))))
    for _ in range(2):
        attempt_store.complete(rig.database, [outcome])
    assert len(runs.open_letters()) == 1


def test_stages_that_fail_together_leave_a_letter_each(rig: Rig, runs: Again) -> None:
    """Two stages of a task that fail in one batch are two letters, and one redrive answers both."""
    rig.behaviours |= {"a": broken, "b": broken}
    (task_id,) = rig.submit(rig.publish([stage("a"), stage("b"), stage("c", "a", "b")]))
    rig.engine.run(rig.sqs.take_all())
    rig.behaviours.clear()
    first, second = runs.open_letters()
    assert {first["stage"], second["stage"]} == {"a", "b"}
    runs.letters.redrive(first["id"], asked(), None)
    assert runs.open_letters() == []
    with pytest.raises(Conflict, match="redriven already"):
        runs.letters.redrive(second["id"], asked(), None)
    rig.drain()
    assert rig.task(task_id)["status"] == "completed"


def test_a_letter_is_shown_with_all_that_its_stage_had(rig: Rig, runs: Again) -> None:
    """The context has the input, the results that the stage saw, the error and the log of its attempts."""
    rig.behaviours["b"] = lambda job: AgentError("again")
    rig.submit(rig.publish([*STAGES, stage("side")], output="c"), correlation_id="trace-9")
    rig.drain()
    (letter,) = runs.open_letters()
    found = runs.letters.get(letter["id"])
    assert (
        found.items()
        >= {
            **letter,
            "correlation_id": "trace-9",
            "input": {"question": "why?"},
            "input_edited": False,
            "results": {"a": {"stage": "a"}},
            "results_left_out": [],
        }.items()
    )
    events = [(line["event"], line["attempt"]) for line in found["lines"]]
    assert events[0] == ("stage.ready", 1)
    assert events[-2:] == [("stage.started", 3), ("stage.failed", 3)]
    assert found["lines"][-1]["detail"]["error"]["message"] == "again"
    with pytest.raises(NotFound, match="no dead letter"):
        runs.letters.get(new_id())


def test_results_without_room_are_named(rig: Rig, runs: Again, monkeypatch: pytest.MonkeyPatch) -> None:
    """A letter whose results exceed an answer's room names those that it leaves out."""
    dead(rig, at="c")
    (letter,) = runs.open_letters()
    monkeypatch.setattr(letters, "RESULTS_BYTES", len('{"stage":"a"}'))
    found = runs.letters.get(letter["id"])
    assert (found["results"], found["results_left_out"]) == ({"a": {"stage": "a"}}, ["b"])


def test_an_edited_input_is_for_its_stage_alone(rig: Rig, runs: Again) -> None:
    """A redrive with another input gives it to the stage that failed; others, and the task, keep theirs."""
    (task_id,) = dead(rig, input_schema=SCHEMA)
    (letter,) = runs.open_letters()
    rig.agent.jobs.clear()
    runs.letters.redrive(letter["id"], asked(), {"question": "edited?"})
    rig.drain()
    given = {job.stage: job.input["question"] for job in rig.agent.jobs}
    assert given == {"b": "edited?", "c": "why?"}
    assert rig.task(task_id)["input"] == {"question": "why?"}
    assert rig.task(task_id)["status"] == "completed"
    shown = runs.letters.get(letter["id"])
    assert (shown["input"], shown["input_edited"]) == ({"question": "edited?"}, True)


@pytest.mark.parametrize(
    ("edited", "error"),
    [({"question": 7}, InvalidInput), ({}, InvalidInput), ({"question": "x" * 5_000_001}, TooLarge)],
)
def test_an_edited_input_is_held_to_the_tasks_rules(
    rig: Rig, runs: Again, edited: dict[str, Any], error: type[InvalidInput]
) -> None:
    """An input that the task could not have been submitted with is refused by its field; the letter stays open."""
    dead(rig, input_schema=SCHEMA)
    (letter,) = runs.open_letters()
    with pytest.raises(error) as caught:
        runs.letters.redrive(letter["id"], asked(), edited)
    assert {fault.field.partition(".")[0] for fault in caught.value.faults} == {"input"}
    assert len(runs.open_letters()) == 1
    assert rig.step() is None


def test_a_letter_is_decided_once(rig: Rig, runs: Again) -> None:
    """What was redriven or discarded can be neither again; a letter of a task that was run again is redriven."""
    dead(rig, 3)
    one, two, three = runs.open_letters()
    runs.letters.discard(one["id"], asked(), "a duplicate")
    runs.letters.redrive(two["id"], asked(), None)
    runs.reruns.rerun(three["task_id"], ["a"], asked())
    for letter, status in ((one, "discarded"), (two, "redriven"), (three, "redriven")):
        for action in (
            lambda letter=letter: runs.letters.redrive(letter["id"], asked(), None),
            lambda letter=letter: runs.letters.discard(letter["id"], asked(), "no"),
        ):
            with pytest.raises(Conflict, match=f"{status} already"):
                action()
    found = runs.letters.get(one["id"])
    assert (found["decided_by"], found["reason"]) == ("ann", "a duplicate")
    assert rig.task(one["task_id"])["status"] == "failed"


def test_every_decision_has_its_entry(rig: Rig, runs: Again) -> None:
    """Cancels, redrives, discards, reruns and clones are told by the audit, newest first: who, what, and how."""
    first, second, third = dead(rig, 3)
    by_task = {letter["task_id"]: letter["id"] for letter in runs.open_letters()}
    runs.letters.redrive(by_task[first], asked("ann"), None)
    runs.letters.discard(by_task[second], asked("bob"), "not worth it")
    runs.reruns.rerun(third, ["a"], asked("cat"))
    entries = [(entry["by"], entry["action"], entry["target"]) for entry in runs.audit()]
    assert entries == [
        ("cat", "task.rerun", f"task/{third}"),
        ("bob", "dead_letter.discarded", f"dead_letter/{by_task[second]}"),
        ("ann", "task.redriven", f"task/{first}"),
    ]
    assert runs.audit()[0]["detail"] == {"from": ["a"], "stages": ["a", "b", "c"]}
    assert runs.audit()[1]["detail"]["reason"] == "not worth it"


def test_a_change_that_fails_leaves_no_entry(rig: Rig, runs: Again, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry and its change are one transaction: where the entry cannot be written, nothing has changed."""
    (task_id,) = dead(rig)
    (letter,) = runs.open_letters()
    with monkeypatch.context() as patch:
        patch.setattr("steersman.audit.store.add", _refuse)
        for action in (
            lambda: runs.letters.redrive(letter["id"], asked(), None),
            lambda: runs.letters.discard(letter["id"], asked(), "no"),
            lambda: runs.reruns.rerun(task_id, ["a"], asked()),
            lambda: runs.many.redrive(Redrives(preview=False), asked()),
        ):
            with pytest.raises(Conflict, match="no entry"):
                action()
    assert runs.open_letters() == [letter]
    assert rig.task(task_id)["status"] == "failed"
    assert rig.step() is None


def _refuse(*_: Any) -> None:
    raise Conflict("no entry")


def test_a_redrive_with_a_key_is_answered_again(rig: Rig, runs: Again) -> None:
    """The same redrive under its key is done once and answered alike; another input under it is refused."""
    dead(rig)
    (letter,) = runs.open_letters()
    first = runs.letters.redrive(letter["id"], asked(key="k"), None)
    second = runs.letters.redrive(letter["id"], asked(key="k"), None)
    assert (str(first["id"]), first["status"]) == (second["id"], second["status"])
    assert len(runs.audit()) == 1
    with pytest.raises(KeyReused):
        runs.letters.redrive(letter["id"], asked(key="k"), {"question": "another"})


FILTERS: list[tuple[dict[str, Any], int]] = [
    ({}, 5),
    ({"stage": "b"}, 3),
    ({"stage": "c"}, 2),
    ({"template": "other"}, 2),
    ({"template": "nothing"}, 0),
    ({"template": "sample", "template_version": 1}, 3),
    ({"error": "agent_refused"}, 5),
    ({"error": "lease_lost"}, 0),
    ({"failed_after": datetime.now(UTC) - timedelta(hours=1)}, 5),
    ({"failed_after": datetime.now(UTC) + timedelta(hours=1)}, 0),
    ({"failed_before": datetime.now(UTC) - timedelta(hours=1)}, 0),
    ({"stage": "c", "template": "other", "error": "agent_refused"}, 2),
]


def test_filters_choose_the_letters(rig: Rig, runs: Again) -> None:
    """Lists and previews have the letters that pass every filter."""
    dead(rig, 3)
    dead(rig, 2, at="c", name="other")
    for filters, count in FILTERS:
        assert len(runs.open_letters(**filters)) == count, filters
        assert runs.many.redrive(Redrives(**filters), asked())["letters"] == count, filters


def test_a_preview_counts_by_names_whatever_the_filters(rig: Rig, runs: Again) -> None:
    """Whichever filters there are, a preview's numbers by version and by error have names and add up to the whole."""
    dead(rig, 3)
    dead(rig, 2, at="c", name="other")
    for filters, count in FILTERS:
        told = runs.many.redrive(Redrives(**filters), asked())
        for parts, name in ((told["by_version"], "template"), (told["by_error"], "error")):
            assert sum(part["letters"] for part in parts) == count, filters
            assert all(part[name] for part in parts), filters


def test_a_preview_says_what_would_be_redriven_and_does_nothing(rig: Rig, runs: Again) -> None:
    """It counts letters by version and by error, estimates cost and time, and changes nothing."""
    rig.behaviours |= {"a": costly("0.5"), "c": costly("0.1")}
    rig.submit(rig.publish([stage("a")]), count=3)
    rig.drain()
    dead(rig, 3)
    dead(rig, 2, description="a second version")
    told = runs.many.redrive(Redrives(rate_per_s=2), asked())
    assert told["by_version"] == [
        {"template": "sample", "template_version": 2, "letters": 3},
        {"template": "sample", "template_version": 3, "letters": 2},
    ]
    assert told["by_error"] == [{"error": "agent_refused", "letters": 5}]
    assert (told["letters"], told["tasks"], told["left"], told["seconds"]) == (5, 5, 5, 2.0)
    assert (told["redriven_letters"], told["redriven_tasks"]) == (0, 0)
    (usual,) = rig.database.run("SELECT sum(cost_usd) / sum(calls) AS usd FROM agent_performance")
    assert told["estimated_cost_usd"] == pytest.approx(usual["usd"] * 10, abs=Decimal("0.0001"))
    assert len(runs.open_letters()) == 5
    assert runs.audit() == []
    assert rig.step() is None


def test_many_are_redriven_at_a_rate(rig: Rig, runs: Again) -> None:
    """The k-th task begins after k / rate seconds, those first that failed first; all of it has one entry."""
    tasks = dead(rig, 7)
    order = [letter["task_id"] for letter in reversed(runs.open_letters())]
    done = runs.many.redrive(Redrives(preview=False, expected=7, rate_per_s=2, stage="b"), asked())
    assert (done["redriven_letters"], done["redriven_tasks"], done["left"]) == (7, 7, 0)
    waits = rig.database.run(
        "SELECT task_id, extract(epoch FROM ready_at - now())::float8 AS s FROM task_stages WHERE status = 'ready'"
    )
    by_task = {row["task_id"]: row["s"] for row in waits}
    began = by_task[order[0]]
    assert [round(by_task[task] - began, 1) for task in order] == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
    entries = [entry for url, sent in rig.sqs.queues.items() for entry in sent if not url.endswith("-dead")]
    assert sorted({entry.get("DelaySeconds", 0) for entry in entries}) == [0, 1, 2, 3]
    (entry,) = runs.audit()
    assert entry["target"] == "project/default"
    assert entry["detail"] == {
        "filter": {"stage": "b"},
        "rate_per_s": 2,
        "redriven_letters": 7,
        "redriven_tasks": 7,
        "left": 0,
    }
    rig.drain()
    assert {rig.task(task)["status"] for task in tasks} == {"completed"}


def test_what_begins_after_a_message_can_wait_is_left_to_the_sweep(rig: Rig, runs: Again) -> None:
    """Tasks that begin in more than 15 minutes are in no queue, wait in the database, and keep their whole time."""
    dead(rig, 3)
    tasks = [letter["task_id"] for letter in reversed(runs.open_letters())]
    rows = {row["id"]: row for row in resumption_store.ended(rig.database, tasks)}
    late = [
        runs.resumptions.anew(rows[task], Resumption.REDRIVE, by="ann", delay_s=delay_s)
        for task, delay_s in zip(tasks, (0, 900, 901), strict=True)
    ]
    with runs.resumptions.carried_out() as carried:
        carried(runs.resumptions.resume(late, by="ann"))
    sent = sum(len(waiting) for url, waiting in rig.sqs.queues.items() if not url.endswith("dead"))
    assert sent == 2
    marked = rig.database.run("SELECT task_id FROM task_stages WHERE resent_at = '-infinity'")
    assert [row["task_id"] for row in marked] == [tasks[2]]
    (left,) = rig.database.run(
        "SELECT extract(epoch FROM deadline_at - now())::float8 AS s FROM task_histories WHERE id = %(id)s",
        {"id": tasks[2]},
    )
    assert left["s"] == pytest.approx(1201, abs=30)


def test_more_than_one_call_takes_are_left(rig: Rig, runs: Again, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call redrives up to its bound, those first that failed first, and says how many are left for the next."""
    dead(rig, 5)
    oldest = {letter["task_id"] for letter in runs.open_letters()[-3:]}
    monkeypatch.setattr(redrives, "MOST", 3)
    monkeypatch.setattr("steersman.tasks.resumption.BATCH", 2)
    monkeypatch.setattr(redrives, "BATCH", 2)
    done = runs.many.redrive(Redrives(preview=False, expected=5), asked())
    assert (done["redriven_tasks"], done["left"]) == (3, 2)
    assert {letter["task_id"] for letter in runs.open_letters()}.isdisjoint(oldest)
    assert runs.many.redrive(Redrives(preview=False), asked())["left"] == 0
    rig.drain()
    states = rig.database.run("SELECT DISTINCT status FROM task_histories")
    assert states == [{"status": "completed"}]


def test_another_number_than_expected_redrives_nothing(rig: Rig, runs: Again) -> None:
    """When letters came or went since the preview, the redrive is refused, with both numbers."""
    dead(rig, 2)
    with pytest.raises(Conflict, match="2 dead letters pass the filters now, not 1"):
        runs.many.redrive(Redrives(preview=False, expected=1), asked())
    assert len(runs.open_letters()) == 2
    assert runs.audit() == []


def test_a_redrive_of_many_with_a_key_is_done_once(rig: Rig, runs: Again) -> None:
    """The same request under its key is answered again, though no letter is left by then."""
    dead(rig, 2)
    wanted = Redrives(preview=False, expected=2)
    first = runs.many.redrive(wanted, asked(key="k"))
    second = runs.many.redrive(wanted, asked(key="k"))
    assert first["redriven_letters"] == second["redriven_letters"] == 2
    assert len(runs.audit()) == 1


def test_the_audit_is_read_page_by_page(rig: Rig, runs: Again) -> None:
    """Entries come newest first, each once, through pages, and by action, target and person."""
    tasks = dead(rig, 5)
    for number, task_id in enumerate(tasks):
        runs.reruns.rerun(task_id, ["a"], asked(f"person-{number % 2}"))
    seen: list[str] = []
    cursor = None
    while True:
        page = audit_service.page(
            rig.database,
            DEFAULT_PROJECT_ID,
            filters={"action": "task.rerun", "target": None, "by": None},
            cursor=cursor,
            limit=2,
        )
        seen += [entry["target"] for entry in page["entries"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"task/{task_id}" for task_id in reversed(tasks)]
    for filters, count in (
        ({"action": "task.cancelled", "target": None, "by": None}, 0),
        ({"action": None, "target": f"task/{tasks[0]}", "by": None}, 1),
        ({"action": None, "target": None, "by": "person-1"}, 2),
    ):
        page = audit_service.page(rig.database, DEFAULT_PROJECT_ID, filters=filters, cursor=None, limit=50)
        assert len(page["entries"]) == count
