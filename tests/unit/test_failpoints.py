"""Failpoints: where processes can be made to die."""

import ast
import signal
import subprocess
import sys

import pytest

from steersman.errors import MissingSetting
from steersman.failpoints import NAMES, armed
from steersman.settings import read_settings
from tests.unit.source_tree import ROOT, files, name_of, tree

SETTINGS = {
    "STEERSMAN_DATABASE_URL": "postgresql://x",
    "STEERSMAN_REDIS_URL": "redis://x",
    "STEERSMAN_QUEUE_PREFIX": "q",
    "STEERSMAN_FAILPOINT": "engine.claimed:1",
}


def test_the_process_dies_at_the_nth_reach() -> None:
    """An armed failpoint kills its process with SIGKILL when it is reached for the given time, not before."""
    code = (
        "from steersman.failpoints import armed\n"
        "reach = armed('engine.claimed:2')\n"
        "for name in ('engine.claimed', 'engine.ran', 'engine.claimed', 'engine.ran'):\n"
        "    reach(name); print(name, flush=True)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert ended.returncode == -signal.SIGKILL
    assert ended.stdout.split() == ["engine.claimed", "engine.ran"]


@pytest.mark.parametrize("setting", ["engine.claimed", "engine.claimed:0", "nowhere:1", "engine.claimed:-1"])
def test_a_wrong_setting_is_refused(setting: str) -> None:
    """A failpoint that names no point or no count is refused with the names that there are."""
    with pytest.raises(ValueError, match=r"engine\.claimed"):
        armed(setting)


def test_only_local_accepts_a_failpoint() -> None:
    """An environment other than `local` does not start with a failpoint set."""
    assert read_settings(SETTINGS).failpoint == "engine.claimed:1"
    with pytest.raises(MissingSetting, match="FAILPOINT"):
        read_settings({**SETTINGS, "STEERSMAN_ENVIRONMENT": "prod"})


def test_the_product_reaches_every_failpoint_and_no_other() -> None:
    """Each name that can be armed is reached somewhere in the product, and what is reached can be armed."""
    reached = [
        str(call.args[0].value)
        for path in files("steersman")
        if name_of(path) != "steersman.failpoints"
        for call in ast.walk(tree(path))
        if isinstance(call, ast.Call) and ast.unparse(call.func) in {"reach", "self._reach"}
        if isinstance(call.args[0], ast.Constant)
    ]
    assert sorted(set(reached)) == sorted(NAMES)
    assert len(set(NAMES)) == len(NAMES)
