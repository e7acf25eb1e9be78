"""What can be seen of a family of tasks, and what is wrong with it, told from templates and answers alone."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from steersman.agents.job import StageResult
from steersman.db.connection import Database
from steersman.errors import AgentError
from tests.integration.tasks.drawn_ways import WAIT_S, Document, items_of, tolerated

Row = Mapping[str, Any]
Place = tuple[UUID, str]
ENDS = {"completed", "failed", "cancelled"}
WELL = {"completed", "skipped"}
OPEN = {"pending", "ready", "running", "awaiting"}
BEGUN = {"running", "retrying", "awaiting"}
PLAIN_ITEM: Document = {"when": None, "on_error": "fail", "for_each": None, "undo": None, "needs": []}


@dataclass
class Heard:
    """What was said to the tasks: by agents (to each attempt), by people; how long stages have waited so far.

    `lost` are attempts whose worker died or lost its lease; `done` says in which step stages completed.
    """

    agents: dict[tuple[UUID, str, int], StageResult | AgentError] = field(default_factory=dict)
    people: dict[Place, bool] = field(default_factory=dict)
    waited_s: dict[Place, float] = field(default_factory=dict)
    lost: set[tuple[UUID, str, int]] = field(default_factory=set)
    done: dict[Place, int] = field(default_factory=dict)

    def forget(self, task_id: UUID, stages: Collection[str]) -> None:
        """Forget what people said to stages that begin anew, and how long these waited."""
        for kept in (self.people, self.waited_s, self.done):
            for stage in stages:
                kept.pop((task_id, stage), None)


class Seen:
    """Tasks with all below them as they stand, parents first; `templates` are documents by name."""

    def __init__(self, database: Database, tops: Collection[UUID], templates: Mapping[str, Document]) -> None:
        self.templates = templates
        family = """
            WITH RECURSIVE family AS (
              SELECT id, 0 AS depth, (array_position(%(ids)s::uuid[], id))::text AS place
              FROM task_histories WHERE id = ANY(%(ids)s)
              UNION ALL
              SELECT c.id, f.depth + 1, f.place || '/' || c.parent_stage || '.' || c.parent_attempt || '.' || c.item
              FROM family f JOIN task_histories c ON c.parent_task_id = f.id
            )
            SELECT t.id, t.status, t.template_name, t.only_stage, t.parent_task_id, t.parent_stage, t.parent_attempt,
                   t.item, t.paused, t.error, t.output, t.cost_usd, t.counted, f.place
            FROM family f JOIN task_histories t ON t.id = f.id ORDER BY f.depth, f.place"""
        rows = database.run(family, {"ids": list(tops)})
        self.tasks: dict[UUID, Row] = {row["id"]: row for row in rows}
        self.stages: dict[UUID, dict[str, Row]] = {task_id: {} for task_id in self.tasks}
        self.children: dict[Place, list[Row]] = {}
        statement = """
            SELECT task_id, name, status, attempt, base_attempt, output, error, finished_at
            FROM task_stages WHERE task_id = ANY(%(ids)s) ORDER BY name"""
        for row in database.run(statement, {"ids": list(self.tasks)}):
            self.stages[row["task_id"]][row["name"]] = row
        for row in rows:
            if row["parent_task_id"] is not None:
                self.children.setdefault((row["parent_task_id"], row["parent_stage"]), []).append(row)

    def below(self, task_id: UUID) -> list[UUID]:
        """Return a task and all that it started."""
        found = {task_id}
        for row in self.tasks.values():
            if row["parent_task_id"] in found:
                found.add(row["id"])
        return [one for one in self.tasks if one in found]

    def latest(self, task_id: UUID, stage: str) -> list[Row]:
        """Return the tasks that a stage started last, by item."""
        found = self.children.get((task_id, stage), [])
        last = max((row["parent_attempt"] for row in found), default=0)
        return sorted(
            (row for row in found if row["parent_attempt"] == last), key=lambda row: int(row["item"])
        )

    def document(self, task_id: UUID, stage: str) -> Document:
        """Return a stage as its template says; of an item, as it is done for it alone."""
        task = self.tasks[task_id]
        (found,) = [one for one in self.templates[task["template_name"]]["stages"] if one["name"] == stage]
        return {**found, **PLAIN_ITEM} if task["only_stage"] else {"needs": [], **found}

    def undone_by(self, task_id: UUID) -> dict[str, str]:
        """Return the stages that undo, each with what it undoes; none of an item."""
        task = self.tasks[task_id]
        stages = self.templates[task["template_name"]]["stages"]
        return {} if task["only_stage"] else {one["undo"]: one["name"] for one in stages if "undo" in one}

    def faults(self, heard: Heard) -> Iterator[str]:
        """Tell what may not be, whatever happened before."""
        for task_id, task in self.tasks.items():
            for fault in self._task_faults(task, heard):
                yield f"task {task['place']} ({task['status']}): {fault}"
            for name, row in self.stages[task_id].items():
                for fault in self._stage_faults(task, row, heard):
                    yield f"stage {name} ({row['status']}, {row['error']}) of task {task['place']}: {fault}"

    def _task_faults(self, task: Row, heard: Heard) -> Iterator[str]:
        stages = self.stages[task["id"]]
        parent = self.tasks.get(task["parent_task_id"])
        if task["status"] not in ENDS:
            if parent and parent["status"] in ENDS:
                yield "it is open, its parent has ended"
            elif parent and (stage := self.stages[parent["id"]][task["parent_stage"]])["status"] not in OPEN:
                yield f"it is open, the stage that started it is {stage['status']}"
            return
        if left := [name for name, row in stages.items() if row["status"] in OPEN]:
            yield f"it has ended, {left} have not"
        undoing = self.undone_by(task["id"])
        bad = [name for name, row in stages.items() if row["status"] not in WELL and name not in undoing]
        if task["status"] == "completed":
            if bad or undoing.keys() & stages.keys():
                yield f"it completed in spite of {bad}, undone by {undoing.keys() & stages.keys()}"
            if not task["only_stage"]:
                output = stages[self.templates[task["template_name"]]["output"]]["output"]
                if task["output"] != output:
                    yield f"its output is {task['output']}, not {output}"
        elif task["status"] == "failed":
            if task["error"]["stage"] not in bad or stages[task["error"]["stage"]]["status"] != "failed":
                yield f"it failed of {task['error']}, but bad are {bad}"
            yield from self._undo_faults(task, undoing, heard)

    def _undo_faults(self, task: Row, undoing: Mapping[str, str], heard: Heard) -> Iterator[str]:
        stages = self.stages[task["id"]]
        due = {name for name, undone in undoing.items() if stages[undone]["status"] == "completed"}
        if (there := undoing.keys() & stages.keys()) != due:
            yield f"undone by {there}, due are {due}"
            return
        ran = sorted(due, key=lambda name: heard.done.get((task["id"], name), -1))
        ends = [heard.done[task["id"], undoing[name]] for name in ran]
        if ends != sorted(ends, reverse=True):
            yield f"undone in the order {ran}, though these completed in steps {ends}"
        for name in due:
            if (
                len(
                    said := [
                        key
                        for key, given in heard.agents.items()
                        if key[:2] == (task["id"], name)
                        and isinstance(given, StageResult)
                        and key not in heard.lost
                    ]
                )
                > 1
            ):
                yield f"{name} undid it more than once: {said}"

    def _stage_faults(self, task: Row, row: Row, heard: Heard) -> Iterator[str]:
        stages, document = self.stages[task["id"]], self.document(task["id"], row["name"])
        needs = {need: stages[need]["status"] for need in document["needs"]}
        waits = not set(needs.values()) <= WELL
        if row["status"] in {"pending", "cancelled"}:
            if row["status"] == "pending" and not waits and row["name"] not in self.undone_by(task["id"]):
                yield "it waits for nothing"
            return
        if waits:
            yield f"it began before its needs ended: {needs}"
        yield from self._concurrency_faults(task, row, document)
        if row["status"] in OPEN:
            return
        code = (row["error"] or {}).get("code")
        if row["status"] == "skipped" and code is None:
            if self._wanted(document, stages):
                yield "it was skipped, though its `when` holds"
            return
        if not self._wanted(document, stages):
            yield "it was done, though its `when` says no"
        if code is not None:
            yield from self._ended_badly(row, document)
        if code == "lease_lost":
            if not any(key[:2] == (task["id"], row["name"]) for key in heard.lost):
                yield "no worker of it was lost"
        else:
            yield from self._kind_faults(task["id"], row, document, heard, code)

    def _wanted(self, document: Document, stages: Mapping[str, Row]) -> bool:
        if not (when := document.get("when")):
            return True
        gave = bool(stages[when.strip("!()").removeprefix("results.")]["output"])
        return gave is not when.startswith("!")

    def _ended_badly(self, row: Row, document: Document) -> Iterator[str]:
        ends = {"fail": "failed", "skip": "skipped", "fallback": "completed"}
        if row["status"] != ends[document.get("on_error", "fail")]:
            yield f"its on_error is {document.get('on_error')}"
        if row["status"] == "completed" and row["output"] != document["fallback"]:
            yield f"its output {row['output']} is not the fallback"

    def _concurrency_faults(self, task: Row, row: Row, document: Document) -> Iterator[str]:
        each = document.get("for_each")
        at_work = sum(child["status"] in BEGUN for child in self.latest(task["id"], row["name"]))
        if each and at_work > each["concurrency"]:
            yield f"{at_work} items are at work, {each['concurrency']} may be"

    def _kind_faults(
        self, task_id: UUID, row: Row, document: Document, heard: Heard, code: str | None
    ) -> Iterator[str]:
        place = (task_id, str(row["name"]))
        if document.get("for_each") or document.get("kind") == "task":
            yield from self._join_faults(row, document, self.latest(*place), code)
        elif document.get("kind") == "approval":
            said, approval = heard.people.get(place), document["approval"]
            late = said is None and heard.waited_s.get(place, 0.0) >= approval.get("timeout_s", float("inf"))
            expected = "rejected" if said is False and not approval["continue_on_reject"] else None
            expected = "not_answered" if late and "default" not in approval else expected
            if code != expected or (said is None and not late):
                yield f"the answer was {said}, in time: {not late}"
            elif code is None and row["output"]["approved"] is not (said is not False):
                yield f"its output is {row['output']}, the answer was {said}"
        elif document.get("kind") == "wait":
            if code is not None or heard.waited_s.get(place, 0.0) < WAIT_S:
                yield f"it waited {heard.waited_s.get(place)} s"
        else:
            yield from self._agent_faults(row, document, heard)

    def _agent_faults(self, row: Row, document: Document, heard: Heard) -> Iterator[str]:
        said = heard.agents.get((row["task_id"], row["name"], row["attempt"]))
        if row["error"] is None:
            if not isinstance(said, StageResult) or row["output"] != said.output:
                yield f"its output is {row['output']}, the agent said {said}"
        elif not isinstance(said, AgentError):
            yield f"the agent said {said}"
        elif said.retryable and row["attempt"] - row["base_attempt"] < document["retry"]["max_attempts"]:
            yield f"attempt {row['attempt']} was the last"

    def _join_faults(self, row: Row, document: Document, found: list[Row], code: str | None) -> Iterator[str]:
        many = bool(document.get("for_each"))
        count, most = len(items_of(document)) if many else 1, tolerated(document)
        failed = sum(child["status"] in {"failed", "cancelled"} for child in found)
        if code is not None:
            # Those that were cancelled because nobody waits for them any more had not failed before.
            if code != "children_failed" or (most >= 0 and failed <= most):
                yield f"{failed} of {count} failed, {most} may"
            return
        outputs = [child["output"] if child["status"] == "completed" else None for child in found]
        if len(found) != count or any(child["status"] not in ENDS for child in found) or failed > most:
            yield f"it completed with {[child['status'] for child in found]}, of which {most} may fail"
        elif not many:
            if row["output"] != (outputs[0] or {}):
                yield f"its output is {row['output']}, not {outputs[0]}"
        elif [row["output"][name] for name in ("completed", "failed", "items")] != [
            count - failed,
            failed,
            outputs,
        ]:
            yield f"its output is {row['output']}, not {outputs}"
