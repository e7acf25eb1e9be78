"""Step Functions in memory that runs what is published: states send messages, and wait for answers to their tokens."""

import json
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from tests.fixtures.engine import MemorySqs
from tests.fixtures.machines import MemoryMachines
from tests.unit.tasks.asl.clock import Parked, Process, Sleep, StateFailed
from tests.unit.tasks.asl.interpreter import Execution, fill

Send = Callable[[str, Mapping[str, Any]], str]


class LiveExecution(Execution):
    """An execution whose tasks are done by real workers; times that it waits for have always come when it looks."""

    def __init__(self, definition: Mapping[str, Any], send: Send) -> None:
        super().__init__(definition, None)  # type: ignore[arg-type] - nothing in memory answers
        self._send = send
        self.patient: set[str] = set()  # tokens of states that wait without bounds

    def begin(self, given: Mapping[str, Any]) -> None:
        self.clock.begin(self._machine(self._definition, given, {}))

    def _attempt(self, state: Mapping[str, Any], value: Any, context: Mapping[str, Any]) -> Process:
        token = f"t{next(TOKENS)}"
        if "HeartbeatSeconds" not in state:
            self.patient.add(token)
        parameters = fill(state["Parameters"], value, {**context, "Task": {"Token": token}})
        self._send(parameters["QueueUrl"], parameters["MessageBody"])
        return (yield Parked(token))

    def _state(self, state: Mapping[str, Any], value: Any, context: Mapping[str, Any]) -> Process:
        if state["Type"] != "Wait":
            return (yield from super()._state(state, value, context))
        yield Sleep(1)
        return value, state.get("Next")


TOKENS = count(1)


class RunningMachines(MemoryMachines):
    """Executions run as their machines say; messages go to `sqs`."""

    def __init__(self, sqs: MemorySqs) -> None:
        super().__init__()
        self._sqs = sqs
        self._running: dict[str, LiveExecution] = {}

    def begin(self, version_arn: str, task_id: str, given: Mapping[str, Any]) -> None:
        known = set(self.executions)
        super().begin(version_arn, task_id, given)
        for name in set(self.executions) - known:
            machine, version = version_arn.split(":")[-2:]
            _, definition = self.published[machine][int(version) - 1]
            self._running[name] = LiveExecution(definition, self._send)
            self._running[name].begin(given)
            self._note()

    def stop(self, version_arn: str, task_id: str, *, error: str, cause: str) -> None:
        super().stop(version_arn, task_id, error=error, cause=cause)
        self._running = {
            name: one for name, one in self._running.items() if self.executions[name] == "RUNNING"
        }

    def end(self, name: str, status: str = "SUCCEEDED") -> None:
        super().end(name, status)
        self._running.pop(name, None)

    def succeed(self, token: str, output: Mapping[str, Any]) -> bool:
        super().succeed(token, output)
        return self._answer(token, json.loads(json.dumps(output)))

    def fail(self, token: str, error: str, cause: str) -> bool:
        super().fail(token, error, cause)
        return self._answer(token, StateFailed(str(error)))

    def let_time_pass(self) -> bool:
        """Let every execution go on to what it does next by the clock; say whether any did."""
        woken = [one.clock.wake() for one in list(self._running.values())]
        self._note()
        return any(woken)

    @property
    def running(self) -> list[str]:
        """The names of the executions that run."""
        return list(self._running)

    def asked(self) -> list[str]:
        """Return the tokens of states that hear nothing after some time and ask again."""
        tokens = [(one, token) for one in self._running.values() for token in one.clock.parked]
        return [token for one, token in tokens if token not in one.patient]

    def waits_for(self, body: str) -> bool:
        """Say whether a message is of a state that waits without bounds: no queue loses it."""
        token = json.loads(body).get("token")
        return any(token in one.patient for one in self._running.values())

    def fall_silent(self, token: str) -> None:
        """Let a state hear nothing for as long as it is patient."""
        self._answer(token, StateFailed("States.HeartbeatTimeout"))

    def _answer(self, token: str, value: Any) -> bool:
        heard = any(one.clock.answer(token, value) for one in list(self._running.values()))
        self._note()
        return heard

    def _note(self) -> None:
        for name, one in list(self._running.items()):
            one.clock.settle()
            if one.clock.ended:
                failed = isinstance(one.clock.outcome, StateFailed)
                self.end(name, "FAILED" if failed else "SUCCEEDED")

    def _send(self, url: str, body: Mapping[str, Any]) -> str:
        entry = {"Id": "1", "MessageBody": json.dumps(body, separators=(",", ":"))}
        self._sqs.send_message_batch(QueueUrl=url, Entries=[entry])
        return url
