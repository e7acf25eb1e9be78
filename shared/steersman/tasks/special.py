"""The next step of a stage that is more than one call of an agent."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from steersman.agents.job import StageJob, StageResult
from steersman.errors import SteersmanError
from steersman.json import rfc3339
from steersman.tasks import ways
from steersman.tasks.stage_kinds import Approval, Wait
from steersman.tasks.template import Stage
from steersman.tasks.ways import Awaiting, Child, Children

Step = StageResult | SteersmanError | Awaiting | Children


def next_step(
    stage: Stage,
    job: StageJob,
    aside: Mapping[str, Any],
    now: datetime,
    children_of: Callable[[bool], Sequence[Child]],
) -> Step:
    """Return what a claimed stage does: it ends, waits, or starts tasks. `aside` is as in sql/claim.sql.

    `now` is the time of the claim by the database's clock; `children_of` reads the tasks that it started: all of them
    with their outputs (true), or some that failed.
    """
    values = {"input": job.input, "results": job.results}
    try:
        if stage.wait is not None:
            return _wait(stage.wait, aside, now, values)
        if stage.approval is not None:
            return _approval(stage.approval, aside, now)
        if "children" in aside:
            return _join(stage, aside, children_of)
        children = ways.children(stage, values)
    except SteersmanError as exc:
        return exc
    return children if children.inputs else StageResult(output=ways.joined(stage, 0, 0, []))


def _wait(wait: Wait, aside: Mapping[str, Any], now: datetime, values: Mapping[str, Any]) -> Step:
    if "waited_s" in aside:
        return StageResult(output={"waited_s": round(aside["waited_s"], 3), "until": rfc3339(now)})
    due = ways.waits_until(wait, now, values)
    return Awaiting(due, detail={"kind": "wait", "until": rfc3339(due)})


def _approval(approval: Approval, aside: Mapping[str, Any], now: datetime) -> Step:
    answer = aside.get("answer")
    if answer is None:
        try:
            return ways.asked(approval, now, aside.get("waited_s"))
        except ways.NotAnswered as exc:
            answer = ways.by_default(approval)
            if answer is None:
                return exc
    if not answer["approved"] and not approval.continue_on_reject:
        comment = answer.get("comment")
        return ways.Rejected(f"{answer['by']} said no" + (f": {comment}" if comment else ""))
    return StageResult(output={"comment": None, **answer})


def _join(stage: Stage, aside: Mapping[str, Any], children_of: Callable[[bool], Sequence[Child]]) -> Step:
    # What they cost was added to the stage and the task as each of them ended (sql/wake.sql).
    count, failed = aside["children"], aside["children_failed"]
    found = children_of(ways.needs_outputs(stage, count, failed))
    return StageResult(output=ways.joined(stage, count, failed, found))
