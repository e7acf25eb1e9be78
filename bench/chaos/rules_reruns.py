"""Rules on tasks that ran again and were cloned: once for each request that was confirmed, and for no other reason."""

from collections import Counter
from collections.abc import Iterator, Sequence

from bench.chaos.history import Finding, Order, RunHistory

LABEL = "clone"  # of a clone: the key of the request that made it
AROUND_S = 2.0
_REFUSED = {404, 409, 422}


def runs_again_once(run: RunHistory) -> Iterator[Finding]:
    """A confirmed request to run again, or to redrive, has the task run again once; no task does so unasked."""
    asked = [order for order in run.orders if order.what in {"rerun", "redrive"}]
    many = [order for order in asked if order.task_id is None and order.status not in _REFUSED]
    for task in run.tasks:
        own = [order for order in asked if order.task_id == task.row.id]
        for key in sorted({order.key or "" for order in own if order.status == 200}):
            of_key = [order for order in own if order.key == key]
            if not any(_within(of_key, line.at) for line in task.reruns):
                evidence = f"the {of_key[0].what} {key} was confirmed, but is not in the log"
                yield Finding(task.subject, "a confirmed rerun takes place", evidence)
        may = {order.key for order in own if order.status not in _REFUSED}
        redrives = [line for line in task.reruns if line.detail.get("why") == "redrive"]
        by_many = sum(1 for line in redrives if _within(many, line.at))
        if len(task.reruns) > len(may) + by_many:
            evidence = f"it ran again {len(task.reruns)} times, {len(may)} times somebody asked for that"
            yield Finding(task.subject, "nothing runs again unasked", evidence)


def clones_are_there_once(run: RunHistory) -> Iterator[Finding]:
    """A confirmed clone is there once, and there is none that nobody asked for."""
    clones = [task for task in run.tasks if LABEL in task.row.labels and task.row.parent_task_id is None]
    there = Counter(task.row.labels[LABEL] for task in clones)
    ids = {task.row.id for task in run.tasks}
    asked = [order for order in run.orders if order.what == "clone"]
    for order in asked:
        if order.status == 202 and (order.made not in ids or there[order.key or ""] != 1):
            evidence = f"of the clone {order.made} ({order.key}) there are {there[order.key or '']}"
            yield Finding(str(order.task_id), "a confirmed clone is there once", evidence)
    for key, count in there.items():
        if count > 1 or key not in {order.key for order in asked}:
            yield Finding(key, "no clone is made up", f"there are {count} tasks of it")


def _within(orders: Sequence[Order], at: float) -> bool:
    """Say whether a moment lies between an order and its answer, or behind one that was not answered."""
    for order in orders:
        until = order.answered_at if order.status == 200 else None
        if order.asked_at - AROUND_S <= at and (until is None or at <= until + AROUND_S):
            return True
    return False


RULES = (runs_again_once, clones_are_there_once)
