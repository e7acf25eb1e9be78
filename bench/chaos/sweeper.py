"""The sweep's handler, on its schedule."""

import threading
from collections.abc import Callable

from bench.chaos.journal import Journal
from bench.chaos.run_folder import SWEEP_EVERY_S, Run
from functions.ops.sweep import handler


class Sweeper:
    """Sweeps again and again, as a schedule does."""

    def __init__(self, run: Run, name: str) -> None:
        self._journal = Journal(run.journal(f"process-{name}"))

    def work(self, wanted: Callable[[], bool]) -> None:
        pause = threading.Event()
        while wanted():
            try:
                self._journal.write({"swept": handler({}, None)})
            except Exception as exc:  # noqa: BLE001 - what a schedule does: the next sweep comes all the same
                self._journal.write({"raised": type(exc).__name__, "in": "sweep", "message": str(exc)[:500]})
            pause.wait(SWEEP_EVERY_S)
