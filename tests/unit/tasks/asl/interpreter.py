"""A small interpreter of Amazon States Language (JSONPath), for the states and fields that the compiler writes.

Source: states-language.net. It refuses what it does not know, so that nothing is passed over.
"""

import re
from collections.abc import Mapping
from copy import deepcopy
from math import inf
from typing import Any, Protocol

from tests.unit.tasks.asl.clock import Clock, Fork, Process, Sleep, StateFailed

FIELDS = {
    "Task": {
        "Resource",
        "Parameters",
        "HeartbeatSeconds",
        "TimeoutSeconds",
        "Retry",
        "Catch",
        "ResultSelector",
    },
    "Map": {"ItemsPath", "ItemSelector", "MaxConcurrency", "ItemProcessor", "Catch", "ResultSelector"},
    "Parallel": {"Branches", "Catch", "ResultSelector"},
    "Choice": {"Choices", "Default"},
    "Pass": {"Result"},
    "Wait": {"TimestampPath"},
    "Fail": {"ErrorPath", "Cause"},
}
ANYWHERE = {"Type", "Next", "End", "ResultPath", "OutputPath"}
CALL = re.compile(r"(States\.\w+)\(")


class Worker(Protocol):
    """Who answers messages: `begin` returns after how many seconds (inf: never), `finish` then the answer."""

    def begin(self, queue: str, body: Mapping[str, Any], now: float) -> float: ...

    def finish(self, body: Mapping[str, Any], now: float) -> Any:
        """Return the answer, or raise StateFailed."""


class Execution:
    """One execution of a definition. `entered` has every state that was entered, with the time."""

    def __init__(self, definition: Mapping[str, Any], worker: Worker) -> None:
        self.entered: list[tuple[float, str]] = []
        self.clock = Clock()
        self._definition = definition
        self._worker = worker
        self._tokens = 0

    def run(self, given: Mapping[str, Any]) -> Any:
        """Return the output, or raise StateFailed."""
        return self.clock.run(self._machine(self._definition, given, {}))

    def _machine(self, machine: Mapping[str, Any], given: Any, context: Mapping[str, Any]) -> Process:
        name, value = machine["StartAt"], deepcopy(given)
        while True:
            state = machine["States"][name]
            assert set(state) <= FIELDS[state["Type"]] | ANYWHERE, f"{name} has fields that are not known"
            self.entered.append((self.clock.now, name))
            try:
                value, name = yield from self._state(state, value, context)
            except StateFailed as failed:
                caught = next((one for one in state.get("Catch", []) if _matches(one, failed)), None)
                if caught is None:
                    raise
                value, name = (
                    _put(value, caught.get("ResultPath", "$"), {"Error": failed.error}),
                    caught["Next"],
                )
            if name is None:
                return value

    def _state(self, state: Mapping[str, Any], value: Any, context: Mapping[str, Any]) -> Process:
        match state["Type"]:
            case "Choice":
                chosen = next((one for one in state["Choices"] if _holds(one, value)), None)
                return value, chosen["Next"] if chosen else state["Default"]
            case "Fail":
                raise StateFailed(read(value, state["ErrorPath"]))
            case "Wait":
                until = read(value, state["TimestampPath"])
                yield Sleep(max(0.0, float(until.removeprefix("T+")) - self.clock.now))
                result = None
            case "Pass":
                result = state.get("Result")
            case "Task":
                result = yield from self._task(state, value, context)
            case "Parallel":
                result = yield Fork([self._machine(one, value, context) for one in state["Branches"]])
            case _:
                result = yield self._items(state, value)
        return _output(state, value, result), state.get("Next")

    def _items(self, state: Mapping[str, Any], value: Any) -> Fork:
        contexts = [{"Map": {"Item": {"Value": item}}} for item in read(value, state["ItemsPath"])]
        inputs = [fill(state["ItemSelector"], value, context) for context in contexts]
        processes = [self._machine(state["ItemProcessor"], one, {}) for one in inputs]
        return Fork(processes, state["MaxConcurrency"])

    def _task(self, state: Mapping[str, Any], value: Any, context: Mapping[str, Any]) -> Process:
        counts = [0] * len(state["Retry"])
        while True:
            try:
                return (
                    yield from self._attempt(state, value, {**context, "State": {"RetryCount": sum(counts)}})
                )
            except StateFailed as failed:
                rules = enumerate(state["Retry"])
                number, rule = next(((n, one) for n, one in rules if _matches(one, failed)), (0, {}))
                if counts[number] >= rule.get("MaxAttempts", 0):
                    raise
                ceiling = rule.get("MaxDelaySeconds", inf)
                yield Sleep(min(rule["IntervalSeconds"] * rule["BackoffRate"] ** counts[number], ceiling))
                counts[number] += 1

    def _attempt(self, state: Mapping[str, Any], value: Any, context: Mapping[str, Any]) -> Process:
        self._tokens += 1
        parameters = fill(state["Parameters"], value, {**context, "Task": {"Token": str(self._tokens)}})
        body = parameters["MessageBody"]
        takes_s = self._worker.begin(parameters["QueueUrl"], body, self.clock.now)
        heartbeat = state.get("HeartbeatSeconds", inf) if takes_s == inf else inf
        limit_s = min(heartbeat, state.get("TimeoutSeconds", inf))
        yield Sleep(min(takes_s, limit_s))
        if takes_s > limit_s:
            raise StateFailed("States.HeartbeatTimeout" if limit_s == heartbeat else "States.Timeout")
        return self._worker.finish(body, self.clock.now)


def _output(state: Mapping[str, Any], value: Any, result: Any) -> Any:
    if "ResultSelector" in state:
        result = fill(state["ResultSelector"], result, {})
    if state["Type"] not in {"Wait"} and (state["Type"] != "Pass" or "Result" in state):
        value = _put(value, state.get("ResultPath", "$"), result)
    return {} if state.get("OutputPath", "$") is None else value


def _put(value: Any, path: str | None, result: Any) -> Any:
    if path is None:
        return value
    if path == "$":
        return result
    changed = deepcopy(value)
    place = changed
    *parents, last = path.removeprefix("$.").split(".")
    for name in parents:
        place = place.setdefault(name, {})
    place[last] = result
    return changed


def read(value: Any, path: str) -> Any:
    """Return what a reference path names; KeyError where it names nothing."""
    for name, number in re.findall(r"\.(\w+)|\[(\d+)\]", path):
        value = value[name] if name else value[int(number)]
    return value


def fill(template: Any, value: Any, context: Any) -> Any:
    """Return a payload template with its paths and intrinsic functions replaced."""
    if not isinstance(template, dict):
        return template
    return {
        name.removesuffix(".$"): _of(part, value, context)
        if name.endswith(".$")
        else fill(part, value, context)
        for name, part in template.items()
    }


def _of(expression: str, value: Any, context: Any) -> Any:
    """Return what a path or a call of an intrinsic function gives."""
    if call := CALL.match(expression):
        given = [_of(part, value, context) for part in _arguments(expression[call.end() : -1])]
        return _call(call[1], given)
    if expression.startswith("$$"):
        return read(context, expression[1:])
    if expression.startswith("$"):
        return read(value, expression)
    return expression[1:-1] if expression.startswith("'") else int(expression)


def _call(function: str, given: list[Any]) -> Any:
    match function:
        case "States.Array":
            return given
        case "States.MathAdd":
            return given[0] + given[1]
        case "States.Format":
            return given[0].format(*given[1:])
    raise AssertionError(f"{function} is not known")


def _arguments(text: str) -> list[str]:
    """Split at the commas that no parenthesis encloses."""
    found, depth = [""], 0
    for letter in text:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and not depth:
            found.append("")
        else:
            found[-1] += letter
    return [part.strip() for part in found]


def _holds(rule: Mapping[str, Any], value: Any) -> bool:
    if "And" in rule:
        return all(_holds(one, value) for one in rule["And"])
    try:
        found = read(value, rule["Variable"])
    except KeyError:
        assert "IsPresent" in rule, f"{rule['Variable']} is not there"
        return rule["IsPresent"] is False
    return bool(rule["IsPresent"] if "IsPresent" in rule else found is rule["BooleanEquals"])


def _matches(rule: Mapping[str, Any], failed: StateFailed) -> bool:
    names = rule["ErrorEquals"]
    missed = failed.error == "States.HeartbeatTimeout" and "States.Timeout" in names
    return failed.error in names or names == ["States.ALL"] or missed
