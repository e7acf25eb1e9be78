"""What the guides promise of one task, written as plainly as can be: what a reader of docs/templates.md expects.

It shares nothing with the planner. It keeps only what happened (how each stage ended, who holds it, which attempt
it is at); what is ready, what is still needed, when a task ends and what it gives follow from that each time anew.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from tests.unit.tasks.carrier import Claim, Finish, Grant, Seen
from tests.unit.tasks.dags import Dag, Node
from tests.unit.tasks.histories import Event

End = tuple[str, dict[str, Any] | None]  # how a stage ends, with its output; "retrying": it does not end yet


class ModelStage:
    def __init__(self, node: Node) -> None:
        self.node = node
        self.end: str | None = None
        self.output: dict[str, Any] | None = None
        self.attempt = 1
        self.lease: UUID | None = None  # of the last worker; a cancelled stage has none
        self.runs = False
        self.expired = False


class ModelTask:
    """One task of a DAG. Its methods are what can happen to it; they return the events that tell of it."""

    def __init__(self, dag: Dag) -> None:
        self.dag = dag
        self.stages = {node.name: ModelStage(node) for node in dag.nodes}
        self.end: str | None = None
        self.open_status = "pending"
        self.overdue = False
        self.tokens = 0
        self.failures: set[str] = set()

    def submitted(self) -> list[Event]:
        return [("task.submitted", None, None), *(("stage.ready", name, 1) for name in sorted(self.ready()))]

    def status(self, name: str) -> str:
        stage = self.stages[name]
        if stage.end:
            return stage.end
        if stage.runs:
            return "running"
        return "pending" if self.open_needs(name) else "ready"

    def open_needs(self, name: str) -> int:
        return sum(self.stages[need].end is None for need in self.stages[name].node.needs)

    def ready(self) -> set[str]:
        return {name for name in self.stages if self.status(name) == "ready"}

    def ancestors(self, name: str) -> set[str]:
        found: set[str] = set()
        waiting = list(self.stages[name].node.needs)
        while waiting:
            need = waiting.pop()
            if need not in found:
                found.add(need)
                waiting += self.stages[need].node.needs
        return found

    def seen(self) -> Seen:
        stages = {
            name: (self.status(name), stage.attempt, self.open_needs(name))
            for name, stage in self.stages.items()
        }
        output = self.stages[self.dag.output].output
        return Seen(self.end or self.open_status, output, self.tokens, None, stages)

    def claim(self, claim: Claim) -> Grant:
        """Lease an attempt: a ready stage's own, or a new one where the last one's lease has run out."""
        stage, status = self.stages[claim.stage], self.status(claim.stage)
        if stage.end:
            return Grant("over" if stage.end == "cancelled" else "done")
        again = (
            status == "running" and stage.lease == claim.lease
        )  # the answer to the first claim was lost on its way
        if status == "pending" or (status == "running" and not (stage.expired or again)):
            return Grant("busy")
        if status == "ready" and claim.attempt < stage.attempt:
            return Grant("stale")
        stage.attempt += status == "running" and not again
        stage.lease, stage.runs, stage.expired = claim.lease, True, False
        self.open_status = "running"
        results = {name: self.stages[name].output for name in self.ancestors(claim.stage)}
        return Grant("claimed", stage.attempt, not again, self.overdue, results)

    def finish(self, finishes: Sequence[Finish]) -> list[Event]:
        """Take the results of one batch, at most one of each stage: those whose lease is held count, once.

        What fails the task comes after the rest. A result that has counted already is not late, only told again.
        """
        held = [
            finish for finish in finishes if self.status(finish.stage) == "running" and self._holds(finish)
        ]
        events: list[Event] = [
            ("stage.late", finish.stage, self.stages[finish.stage].attempt)
            for finish in finishes
            if not self._holds(finish)
        ]
        self.tokens += sum(finish.tokens for finish in held)
        ends = {finish.stage: self._end_of(finish) for finish in held}
        ready = self.ready()
        for name, (word, output) in ends.items():
            events.append((f"stage.{word}", name, self.stages[name].attempt))
            self._settle(name, word, output)
        words = {word for word, _ in ends.values()}
        retried = {name for name, (word, _) in ends.items() if word == "retrying"}
        events += [("stage.ready", name, 1) for name in self._freed() - ready - retried]
        if "failed" in words:
            self.failures = {name for name, (word, _) in ends.items() if word == "failed"}
            return events + self.stop("failed")
        if retried:
            self.open_status = "retrying"
        if held and all(stage.end for stage in self.stages.values()):
            self.end = "completed"
            events.append(("task.completed", None, None))
        return events

    def _holds(self, finish: Finish) -> bool:
        return self.stages[finish.stage].lease == finish.lease

    def _freed(self) -> set[str]:
        """Return the ready stages, without those that only a failed stage could have set free."""
        return {
            name
            for name in self.ready()
            if all(self.stages[need].end != "failed" for need in self.stages[name].node.needs)
        }

    def stop(self, word: str) -> list[Event]:
        """End the task as failed or cancelled, and with it every stage that has not ended; once only."""
        if self.end:
            return []
        self.end = word
        events: list[Event] = []
        for name, stage in self.stages.items():
            if stage.end is None:
                stage.end, stage.lease, stage.runs = "cancelled", None, False
                events.append(("stage.cancelled", name, stage.attempt))
        return [*events, (f"task.{word}", None, None)]

    def expire(self, name: str) -> None:
        self.stages[name].expired = True

    def stranded(self) -> set[tuple[str, int, bool]]:
        """Return what a sweep finds, as (stage, attempt, whether the task is overdue)."""
        if self.end:
            return set()
        return {
            (name, stage.attempt, self.overdue)
            for name, stage in self.stages.items()
            if stage.end is None
            and (
                self.overdue
                or self.status(name) == "ready"
                or (self.status(name) == "running" and stage.expired)
            )
        }

    def _settle(self, name: str, word: str, output: dict[str, Any] | None) -> None:
        stage = self.stages[name]
        stage.runs = False
        if word == "retrying":
            stage.attempt += 1
        else:
            stage.end, stage.output = word, output

    def _end_of(self, finish: Finish) -> End:
        node = self.stages[finish.stage].node
        if finish.grant.overdue:
            return ("failed", None)
        if finish.grant.attempt > node.max_attempts:  # the last of its workers fell silent
            return _given_up(node)
        wanted = self._wanted(node)
        if wanted is None:
            return _given_up(node)
        if not wanted:
            return ("skipped", None)
        if finish.answer in {"go", "stay"}:
            return ("completed", {"stage": node.name, "go": finish.answer == "go"})
        if finish.answer != "refuse" and finish.grant.attempt < node.max_attempts:
            return ("retrying", None)
        return _given_up(node)

    def _wanted(self, node: Node) -> bool | None:
        """Say whether the condition lets a stage run; None where it cannot be applied."""
        if node.condition is None:
            return True
        kind, read = node.condition
        if kind == "input" or read is None:
            return self.dag.flag
        if kind == "broken":
            return None
        goes = bool((self.stages[read].output or {}).get("go"))
        return goes if kind == "goes" else not goes


def _given_up(node: Node) -> End:
    if node.on_error == "skip":
        return ("skipped", None)
    return ("completed", node.fallback) if node.on_error == "fallback" else ("failed", None)
