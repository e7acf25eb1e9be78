"""The states of one stage, by its kind. All its data stays in PostgreSQL: messages and states carry names only."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from steersman.tasks.asl.conditions import Conditions, slot
from steersman.tasks.asl.retries import only_silence, retriers
from steersman.tasks.asl.words import QUEUE_PREFIX, Failure, Move
from steersman.tasks.template import Stage
from steersman.tasks.words import OnError, StageKind

SEND_AND_WAIT = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
PATIENCE_S = 900.0  # how long a job may lie in its queue before it is sent again
LEASE_S = 30.0  # as the engine's: what a worker that fell silent is given
TIMED_OUT = "States.Timeout"  # a missed heartbeat is one too

State = dict[str, Any]
States = dict[str, State]
After = Mapping[str, Any]  # what follows, as fields of the last state: {"Next": name}, or {"End": true}


@dataclass(frozen=True)
class StageStates:
    """Makes the states of stages: `inline` names the fan-outs whose items run within the execution itself."""

    conditions: Conditions
    inline: frozenset[str] = frozenset()
    queue_prefix: str = QUEUE_PREFIX
    patience_s: float = PATIENCE_S

    @property
    def kept(self) -> frozenset[str]:
        """The stages whose answers are kept, because a later stage's `when` is told in them."""
        return self.conditions.kept

    def of(self, stage: Stage, after: After) -> tuple[str, States]:
        """Return where the stage begins, and its states; the last of them go on to `after`."""
        states = self._of_kind(stage, after)
        if stage.on_error is not OnError.FAIL:
            states |= self._given_up(stage, states, after)
        if stage.when is None:
            return stage.name, states
        skipped: State = {"Type": "Pass", **after}
        if stage.name in self.kept:
            skipped |= {"Result": {"when": {}}, "ResultPath": slot(stage.name)}
        choice = self.conditions.choice(stage.name, skip=f"{stage.name}.skipped", run=stage.name)
        start = f"{stage.name}.when"
        return start, {start: choice, **states, f"{stage.name}.skipped": skipped}

    def undoing(self, stage: Stage, after: str) -> State:
        """Return the Task of a stage that undoes another: whatever comes of it, the next is undone."""
        caught = _catch(after, "States.ALL")
        return self._task(stage, Move.RUN) | {"ResultPath": None, "Catch": [caught], "Next": after}

    def which_to_undo(self, stage: Stage, after: str, failed: str) -> State:
        """Return the Task that asks, at the queue of the first of them, which stages that undo are to run."""
        selector, caught = {"stages.$": "$.undo"}, _catch(failed, "States.ALL")
        asking = self._task(stage, Move.UNDO, only_silence())
        return asking | {
            "ResultSelector": selector,
            "ResultPath": "$.undo",
            "Catch": [caught],
            "Next": after,
        }

    def _of_kind(self, stage: Stage, after: After) -> States:
        if stage.for_each is not None:
            return self._fan_out(stage, after)
        if stage.kind is StageKind.APPROVAL:
            return self._approval(stage, after)
        if stage.kind is StageKind.WAIT:
            return self._wait(stage, after)
        return {stage.name: self._task(stage, Move.RUN) | self._answered(stage, after)}

    def _answered(self, stage: Stage, after: After) -> State:
        """Return the fields of a Task whose answer ends the stage: of use is only what it says of later stages."""
        if stage.name not in self.kept:
            return {"ResultPath": None, **after}
        return {"ResultSelector": {"when.$": "$.when"}, "ResultPath": slot(stage.name), **after}

    def _fan_out(self, stage: Stage, after: After) -> States:
        assert stage.for_each is not None  # noqa: S101 - who calls has looked
        name = stage.name
        opening = self._task(stage, Move.OPEN) | {
            "ResultSelector": {"items.$": "$.items"},
            "ResultPath": "$.open",
            "Next": f"{name}.items",
        }
        items: State = {
            "Type": "Map",
            "ItemsPath": "$.open.items",
            "ItemSelector": {
                "task_id.$": "$.task_id",
                "project_id.$": "$.project_id",
                "lane.$": "$.lane",
                "item.$": "$$.Map.Item.Value",
            },
            "MaxConcurrency": stage.for_each.concurrency,
            "ItemProcessor": self._item(stage),
            # The numbers of the items are not carried on.
            "ResultSelector": {"done": True},
            "ResultPath": "$.open",
            "Next": f"{name}.join",
        }
        joining = self._task(stage, Move.JOIN, only_silence()) | self._answered(stage, after)
        return {name: opening, f"{name}.items": items, f"{name}.join": joining}

    def _item(self, stage: Stage) -> State:
        """Return the processor of one item. A failure that the fan-out tolerates ends its item only."""
        one, failed = f"{stage.name}.item", f"{stage.name}.item_failed"
        # 10,000 outputs must fit into 256 KiB: each is {}.
        ends = {"OutputPath": None, "End": True}
        tolerated = _catch(failed, Failure.ITEM_FAILED)
        doing = self._task(stage, Move.ITEM) | {"Catch": [tolerated], **ends}
        inline = stage.name in self.inline
        mode = {"Mode": "INLINE"} if inline else {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
        return {
            "ProcessorConfig": mode,
            "StartAt": one,
            "States": {one: doing, failed: {"Type": "Pass", **ends}},
        }

    def _approval(self, stage: Stage, after: After) -> States:
        assert stage.approval is not None  # noqa: S101 - who calls has looked
        name, approval = stage.name, stage.approval
        asked: list[tuple[str, Move, float | None]] = [(name, Move.ASK, approval.timeout_s)]
        if approval.escalate_to:
            longer_s = approval.escalate_timeout_s or approval.timeout_s
            asked.append((f"{name}.escalate", Move.ESCALATE, longer_s))
        states: States = {}
        for place, (asking, move, timeout_s) in enumerate(asked):
            states[asking] = self._task(stage, move, only_silence(TIMED_OUT)) | self._answered(stage, after)
            if timeout_s is not None:
                following = asked[place + 1][0] if place + 1 < len(asked) else f"{name}.expire"
                states[asking] |= {
                    "TimeoutSeconds": ceil(timeout_s),
                    "Catch": [_catch(following, TIMED_OUT)],
                }
        if approval.timeout_s is not None:
            expiring = self._task(stage, Move.EXPIRE, only_silence())
            states[f"{name}.expire"] = expiring | self._answered(stage, after)
        return states

    def _wait(self, stage: Stage, after: After) -> States:
        beginning, waiting, ending = stage.name, f"{stage.name}.until", f"{stage.name}.end"
        return {
            beginning: self._task(stage, Move.BEGIN)
            | {"ResultSelector": {"until.$": "$.until"}, "ResultPath": "$.wait", "Next": waiting},
            waiting: {"Type": "Wait", "TimestampPath": "$.wait.until", "Next": ending},
            ending: self._task(stage, Move.END, only_silence()) | self._answered(stage, after),
        }

    def _given_up(self, stage: Stage, states: States, after: After) -> States:
        """Catch in `states` what the state machine itself ends with: the worker does then as `on_error` says."""
        place = f"{stage.name}.give_up"
        for state in states.values():
            if state["Type"] in {"Task", "Map"}:
                state["Catch"] = [*state.get("Catch", []), _catch(place, "States.ALL")]
        return {place: self._task(stage, Move.GIVE_UP, only_silence()) | self._answered(stage, after)}

    def _task(self, stage: Stage, move: Move, retry: list[State] | None = None) -> State:
        """Return a Task that sends one message to the stage's queue and waits for the answer to its token."""
        body: State = {
            "jobs.$": f"States.Array(States.Array($.task_id, '{stage.name}', "
            "States.MathAdd($$.State.RetryCount, 1)))",
            "move": str(move),
            "token.$": "$$.Task.Token",
        }
        if move is Move.ITEM:
            body["item.$"] = "$.item"
        queue = f"States.Format('{self.queue_prefix}{stage.queue}-{{}}', $.lane)"
        return {
            "Type": "Task",
            "Resource": SEND_AND_WAIT,
            "Parameters": {"QueueUrl.$": queue, "MessageBody": body},
            **self._limits(stage, move),
            "Retry": retriers(stage.retry) if retry is None else retry,
        }

    def _limits(self, stage: Stage, move: Move) -> State:
        """Return how long silence may last: without bounds where a person, or a task of its own, is waited for."""
        does = move in {Move.RUN, Move.ITEM}
        if move in {Move.ASK, Move.ESCALATE} or (does and stage.kind is StageKind.TASK):
            return {}
        works_s = stage.timeout_s if does else 0.0
        return {
            "HeartbeatSeconds": ceil(self.patience_s),
            "TimeoutSeconds": ceil(self.patience_s + works_s + LEASE_S),
        }


def _catch(following: str, *errors: str) -> State:
    return {"ErrorEquals": [str(error) for error in errors], "ResultPath": None, "Next": following}
