"""Rules that hold what followers were told while a task ran, whoever was killed meanwhile, against its log."""

from collections.abc import Iterator
from itertools import pairwise

from bench.chaos.history import ENDS, Follow, TaskHistory

Wrong = tuple[str, str]
_SHOWN = 6
_TASK_ENDS = {f"task.{end}" for end in ENDS}


def told_everything(task: TaskHistory) -> Iterator[Wrong]:
    """A follower that was told an end has seen every line of the log to it, some perhaps twice.

    Late results may follow. A task that runs again has an end more: who was told an earlier one follows no further.
    """
    ends = [line.id for line in task.log if line.event in _TASK_ENDS]
    lines = {
        f"{task.row.id}-{line.id}": line
        for line in task.log
        if line.event != "stage.late" or (ends and line.id < ends[0])
    }
    for follow in task.follows:
        told = [end for end in ends if f"{task.row.id}-{end}" in follow.seen]
        due = {one: line for one, line in lines.items() if line.id <= max(told, default=line.id)}
        if follow.ended and (missing := due.keys() - follow.seen):
            unseen = sorted((due[one] for one in missing), key=lambda line: line.id)
            named = ", ".join(str(line) for line in unseen[:_SHOWN])
            yield "followers miss nothing", f"{follow.name} was told the end, but not {len(unseen)}: {named}"


def told_nothing_else(task: TaskHistory) -> Iterator[Wrong]:
    """No follower is told of what the log lacks, but for a claim that was put back to wait just then."""
    lines = {f"{task.row.id}-{line.id}" for line in task.log}
    lines |= {f"{task.row.id}-{change.started}" for change in task.changes if change.started is not None}
    for follow in task.follows:
        if more := sorted(follow.seen - lines):
            yield (
                "followers are told what happened",
                f"{follow.name} was told {more[:_SHOWN]}, not in the log",
            )


def told_in_order(task: TaskHistory) -> Iterator[Wrong]:
    """Within an answer events are in the order of their ids, and none comes twice."""
    for follow in task.follows:
        for place, answer in enumerate(follow.answers, 1):
            numbers = [int(one.rpartition("-")[2]) for one in answer.ids]
            if any(after <= before for before, after in pairwise(numbers)):
                yield "an answer is in order", f"answer {place} to {follow.name} had {numbers}"


def told_the_end(task: TaskHistory) -> Iterator[Wrong]:
    """Who kept asking through the calm was told the end, and nobody was told one that did not come."""
    ended = any(line.event in _TASK_ENDS for line in task.log)
    for follow in task.follows:
        if follow.calm and not follow.ended:
            yield "followers are told the end", f"{follow.name} was not, in {_answers(follow)}"
        if follow.ended and not ended:
            yield "no end is made up", f"{follow.name} was told an end that the log lacks"


def _answers(follow: Follow) -> str:
    return f"{len(follow.answers)} answers and {follow.refused} refusals"


RULES = (told_everything, told_nothing_else, told_in_order, told_the_end)
