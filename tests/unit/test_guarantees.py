"""The page of what is promised: its claims name tests and rules that are there, and times that are the code's."""

import ast
import re
from pathlib import Path

import pytest

from bench.chaos import (
    rules_days,
    rules_families,
    rules_followers,
    rules_limits,
    rules_orders,
    rules_reruns,
    rules_run,
    rules_schedules,
    rules_state,
    rules_undoing,
    rules_witnesses,
)
from steersman.settings import Settings
from steersman.tasks import engine, flood, gate, live, service, sweep
from tests.unit.tasks.dags import LARGEST

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guarantees.md").read_text()
PROMISED, _, _ = PAGE.partition("## What is not promised")
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))
CLAIMS = [part for part in re.split(r"\n\n(?=\*\*)", PROMISED)[1:] if part.startswith("**")]
RULES = {
    f"{module.__name__.rpartition('.')[2]}.{rule.__name__}"
    for module in (
        rules_days,
        rules_families,
        rules_followers,
        rules_limits,
        rules_orders,
        rules_reruns,
        rules_run,
        rules_schedules,
        rules_state,
        rules_undoing,
        rules_witnesses,
    )
    for rule in module.RULES
}
PATIENCE_S = Settings.model_fields["stranded_after_s"].default


@pytest.mark.parametrize(("file", "name"), TESTS)
def test_every_test_that_is_named_is_there(file: str, name: str) -> None:
    """A claim rests on a test of this name in this file."""
    tree = ast.parse((ROOT / file).read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_claim_names_a_test() -> None:
    """No claim stands on its own, and no test is named in a way that the check above would not see."""
    assert CLAIMS
    assert [claim.splitlines()[0] for claim in CLAIMS if "- `tests/" not in claim] == []
    assert len(re.findall("tests/", PAGE)) == len(re.findall(r"`tests/[\w/]+\.py::\w+`", PAGE))


def test_every_rule_of_the_checker_is_named_and_there() -> None:
    """The page and the chaos run's checker have the same rules."""
    assert set(re.findall(r"`(rules_\w+\.\w+)`", PROMISED)) == RULES


@pytest.mark.parametrize(
    "words",
    [
        f"lasts {engine.LEASE_S:g} s and is renewed every {engine.RENEW_S:g} s",
        f"for about {sum(engine.PATIENCE_S):.0f} s",
        f"been ready for {PATIENCE_S:g} s or whose lease ran out, at most {sweep.LIMIT:,} stages",
        f"the rest of its lease ({engine.LEASE_S:g} s)",
        f"{PATIENCE_S:g} s of patience",
        f"at most {live.RUNNING_VIEW_S} s old",
        f"is found within {service.LOOK_S:g} s",
        f"DAGs of up to {LARGEST} stages",
        f"Of a project {Settings.model_fields['flood_tasks'].default} tasks of medium priority at once",
        f"as many in any {flood.WINDOW_S} s",
        f"{gate.PUT_BACK_S + PATIENCE_S:g} s of patience",
    ],
)
def test_the_times_that_are_told_are_the_codes(words: str) -> None:
    """A time or bound that somebody changes is changed on the page too."""
    assert words in " ".join(PAGE.split())
