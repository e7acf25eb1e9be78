"""What every built-in agent does around its work: read the question, and turn errors into outcomes of their jobs."""

import logging
from collections.abc import Callable, Sequence

from steersman.agents.job import StageJob, StageResult
from steersman.errors import AgentError, AgentRefused, SteersmanError
from steersman.knowledge.readable import readable

Outcome = StageResult | AgentError
MAX_QUESTION = 20_000

log = logging.getLogger(__name__)


def question_of(job: StageJob) -> str:
    """Return the task's question; raise AgentRefused when its input has none that can be read."""
    question = job.input.get("question")
    if not isinstance(question, str) or not (text := readable(question).strip()):
        raise AgentRefused("the task's input has no question: `question` must be text that is not empty")
    if len(text) > MAX_QUESTION:
        raise AgentRefused(f"the question has {len(text)} characters; the limit is {MAX_QUESTION}")
    return text


def each(jobs: Sequence[StageJob], work: Callable[[StageJob], Outcome]) -> list[Outcome]:
    """Do `work` on each job by itself; an error is the outcome of the job that it met."""
    return [_one(job, work) for job in jobs]


def _one(job: StageJob, work: Callable[[StageJob], Outcome]) -> Outcome:
    try:
        return work(job)
    except Exception as exc:  # noqa: BLE001  an agent answers every job; what it did not foresee is one job's error
        return as_agent_error(exc)


def together(
    jobs: Sequence[StageJob], work: Callable[[Sequence[StageJob]], Sequence[Outcome]]
) -> list[Outcome]:
    """Do `work` on all jobs that have a question at once.

    When it fails, an error that hits every job alike is the outcome of each; any other makes the jobs be tried one by
    one, so that a job that breaks the work does not take the others with it.
    """
    outcomes: dict[int, Outcome] = {}
    asked: list[int] = []
    for number, job in enumerate(jobs):
        try:
            question_of(job)
            asked.append(number)
        except AgentRefused as exc:
            outcomes[number] = exc
    outcomes.update(zip(asked, _attempt([jobs[number] for number in asked], work), strict=True))
    return [outcomes[number] for number in range(len(jobs))]


def _attempt(
    jobs: Sequence[StageJob], work: Callable[[Sequence[StageJob]], Sequence[Outcome]]
) -> list[Outcome]:
    if not jobs:
        return []
    try:
        return list(work(jobs))
    except Exception as exc:  # noqa: BLE001  as above
        error = as_agent_error(exc)
        if len(jobs) == 1 or (isinstance(exc, SteersmanError) and exc.retryable):
            return [error] * len(jobs)
        return [outcome for job in jobs for outcome in _attempt([job], work)]


def as_agent_error(exc: Exception) -> AgentError:
    """Return the agent's error that says what `exc` says; what was not foreseen is logged and can be tried again."""
    if isinstance(exc, AgentError):
        return exc
    if isinstance(exc, SteersmanError):
        kind = AgentError if exc.retryable else AgentRefused
        error = kind(exc.message, faults=exc.faults, retry_after_s=exc.retry_after_s)
    else:
        log.error("a built-in agent failed", exc_info=exc)
        error = AgentError(f"the agent failed with {type(exc).__name__}")
    error.__cause__ = exc
    return error
