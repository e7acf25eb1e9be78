"""Rules on what may be at work at once: the stages of a project, the calls of an agent.

What agents wrote down is counted, each call for as long as its place was certainly its own: from its beginning to its
answer, and no longer than a place is kept for a worker that falls silent. A call whose worker died counts for nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from uuid import UUID

from bench.chaos.history import Execution, Finding, RunHistory, TaskHistory

Call = tuple[float, float, str]  # from, until, what it is
Claims = Mapping[tuple[UUID, str, int], float]
_LOSE_PLACES = {"empty_redis", "restart_redis"}
_AROUND_S = 1.0  # around an incident: what a worker had asked just before, what ends just after


def projects_within_limits(run: RunHistory) -> Iterator[Finding]:
    """No more stages of a project are at work at once than its limit, but while Redis has lost what it held."""
    claims = _claims(run.tasks)
    for project, most in run.terms.stages_of.items():
        tasks = [task for task in run.tasks if task.row.project == project]
        calls = [call for task in tasks for one in task.executions for call in _call(run, claims, one)]
        yield from _exceeded(run, calls, most, "a project stays within its limit", f"project {project}")


def agents_within_limits(run: RunHistory) -> Iterator[Finding]:
    """No agent has more calls under way than it takes at once, but while Redis has lost what it held."""
    claims = _claims(run.tasks)
    for agent, most in run.terms.calls_of.items():
        ran = [one for task in run.tasks for one in task.executions if one.agent == agent]
        calls = [call for one in ran for call in _call(run, claims, one)]
        yield from _exceeded(run, calls, most, "an agent stays within its limit", f"agent {agent}")


def _claims(tasks: Iterable[TaskHistory]) -> Claims:
    """Return when attempts were claimed: a place is taken after that, and kept for as long as a lease."""
    return {
        (task.row.id, line.stage or "", line.attempt or 0): line.at
        for task in tasks
        for line in task.log
        if line.event == "stage.started"
    }


def _call(run: RunHistory, claims: Claims, ran: Execution) -> Iterator[Call]:
    claimed_at = claims.get((ran.task_id, ran.stage, ran.attempt))
    if claimed_at is None or ran.answered_at is None:
        return
    until = min(ran.answered_at, claimed_at + run.terms.lease_s)
    if until > ran.began_at:
        yield ran.began_at, until, f"{ran.stage} attempt {ran.attempt} of {ran.task_id}"


def _exceeded(run: RunHistory, calls: Iterable[Call], most: int, rule: str, of: str) -> Iterator[Finding]:
    """Yield one finding for each time at which one more was begun than may be."""
    lost = [
        (one.since - _AROUND_S, one.until + run.terms.lease_s + _AROUND_S)
        for one in run.incidents
        if one.kind in _LOSE_PLACES
    ]
    at_work: list[Call] = []
    for call in sorted(calls):
        at_work = [*(one for one in at_work if one[1] > call[0]), call]
        if len(at_work) > most and not any(since < call[0] < until for since, until in lost):
            named = ", ".join(what for _, _, what in at_work)
            yield Finding(of, rule, f"{len(at_work)} at once, {most} may be: {named}")


RULES = (projects_within_limits, agents_within_limits)
