"""Programs that outlive a killed command."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from steersman.local.errors import LocalCloudError
from steersman.local.records import exclusive
from steersman.local.tools import Programs

COMMAND = """
import os, sys
from pathlib import Path
from steersman.local.records import exclusive
from steersman.local.tools import Programs
folder = Path(sys.argv[1])
with exclusive(folder / "lock", patience_s=0) as held:
    program = [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(60)"]
    log = Path("/dev/stderr")
    Programs(held).run(
        program, folder=folder, environment=os.environ, log=log, limit_s=60, name="x", advice=""
    )
"""


def test_a_program_left_behind_keeps_the_next_command_waiting(tmp_path: Path) -> None:
    """When a command is killed, what it had started still counts as work: the lock falls only with it."""
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(tmp_path)], stderr=subprocess.PIPE, text=True
    ) as command:
        assert command.stderr is not None
        assert command.stderr.readline() == "ready\n"
        (program,) = psutil.Process(command.pid).children()
        command.kill()
        command.wait(10)
        try:
            with (
                pytest.raises(LocalCloudError, match=str(command.pid)),
                exclusive(tmp_path / "lock", patience_s=0.2),
            ):
                pytest.fail("two commands at once")
        finally:
            program.kill()
    with exclusive(tmp_path / "lock", patience_s=10):
        pass


def test_a_failing_program_is_explained(tmp_path: Path) -> None:
    """A program that fails or takes too long is told by its name, its last words, its log and the advice."""
    log = tmp_path / "log"
    with contextlib.ExitStack() as stack:
        programs = Programs(stack.enter_context(exclusive(tmp_path / "lock", patience_s=0)))

        def run(code: str, limit_s: float) -> None:
            programs.run(
                [sys.executable, "-c", code],
                folder=tmp_path,
                environment=os.environ,
                log=log,
                limit_s=limit_s,
                name="Trying",
                advice="Try again.",
            )

        with pytest.raises(LocalCloudError, match="Trying failed: no luck") as caught:
            run("raise SystemExit('no luck')", 30)
        assert (caught.value.log, caught.value.advice) == (log, "Try again.")
        with pytest.raises(LocalCloudError, match="took longer than"):
            run("import time; time.sleep(60)", 0.2)
