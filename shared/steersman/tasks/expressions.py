"""Expressions of templates: JMESPath over the task's input and the results of earlier stages."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions

from steersman.errors import AgentError


class ExpressionFailed(AgentError):
    """An expression of a stage cannot be applied to the values that it reads, or gives what cannot be used."""

    code = "expression_failed"
    retryable = False


def evaluate(field: str, expression: str, values: Mapping[str, Any]) -> Any:
    """Return what an expression gives; `field` names it in errors.

    Raises ExpressionFailed when it cannot be applied to these values (the length of null, for one).
    """
    try:
        return _compiled(expression).search(values)
    except JMESPathError as exc:
        # The library's own words hold the value.
        raise ExpressionFailed(f"`{field}` cannot be applied: {type(exc).__name__}") from exc


def wrong_with(expression: str) -> list[str]:
    """Return what is wrong with an expression, as far as that can be told without values."""
    try:
        return _wrong_calls(_compiled(expression).parsed)
    except JMESPathError as exc:
        return [f"not a JMESPath expression: {exc}".replace("\n", " ")]


def results_read(expression: str) -> set[str]:
    """Return the names X of the stages that an expression reads as `results.X`."""
    return _results_read(_compiled(expression).parsed)


def reads_only_input(expression: str) -> bool:
    """Say whether an expression needs nothing but the task's input, so that it can be tried before there is a task."""
    return "results" not in _fields(_compiled(expression).parsed)


@lru_cache(maxsize=4096)
def _compiled(expression: str) -> Any:
    return jmespath.compile(expression)


def _children(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [child for child in node.get("children", []) if isinstance(child, Mapping)]


def _wrong_calls(node: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the function calls of an expression, which JMESPath finds only when it runs."""
    children = _children(node)
    wrong = [reason for child in children for reason in _wrong_calls(child)]
    if node.get("type") == "function_expression":
        name, given = node["value"], len(children)
        known = Functions.FUNCTION_TABLE.get(name)
        if known is None:
            return [*wrong, f"there is no function '{name}'"]
        needed = len(known["signature"])
        variadic = bool(needed) and known["signature"][-1].get("variadic", False)
        if given < needed or (given > needed and not variadic):
            wrong.append(f"'{name}' takes {needed} arguments, not {given}")
    return wrong


def _results_read(node: Mapping[str, Any]) -> set[str]:
    children = node.get("children", [])
    if node.get("type") == "subexpression" and len(children) > 1:
        first, second = children[0], children[1]
        if first.get("type") == second.get("type") == "field" and first.get("value") == "results":
            return {second["value"]}
    return set().union(*(_results_read(child) for child in _children(node)))


def _fields(node: Mapping[str, Any]) -> set[str]:
    own = {node["value"]} if node.get("type") == "field" else set()
    return own.union(*(_fields(child) for child in _children(node)))
