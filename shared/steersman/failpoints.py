"""Named points on the way of a task where a process can be made to die: what `make chaos` kills at.

A point is reached by calling it by name; nothing happens there unless the setting `failpoint` arms it, which only
the environment `local` accepts.
"""

import os
import signal
from collections.abc import Callable

NAMES = (
    "submit.begun",  # checked, before the commit
    "submit.committed",
    "submit.sent",  # before the answer
    "engine.received",  # before the claim
    "engine.asked",  # tokens of state machines are noted
    "engine.claimed",
    "engine.started",  # followers were told
    "agent.running",
    "engine.ran",  # before results are stored
    "families.spread",  # a stage has started tasks, none is sent
    "engine.completed",
    "engine.sent",
    "engine.published",  # before the answer
    "queues.sent",  # after one call of perhaps several
    "sweep.found",
    "sweep.stopped",
    "sweep.sent",
)

Reach = Callable[[str], None]


def unarmed(name: str) -> None:
    """Reach a point where nothing is armed."""


def armed(setting: str) -> Reach:
    """Return what kills this process (SIGKILL) the n-th time that it reaches the point of "name:n".

    Raises ValueError for a setting that is not of this form, or names no point.
    """
    wanted, _, times = setting.partition(":")
    if wanted not in NAMES or not times.isdecimal() or int(times) < 1:
        raise ValueError(f"a failpoint is '<name>:<count from 1>'; the names are {', '.join(NAMES)}")
    left = int(times)

    def reach(name: str) -> None:
        nonlocal left
        if name == wanted:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return reach
