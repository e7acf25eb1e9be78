"""The rows of a sample task in COPY's text form, with the columns that the engine fills."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from bench.scale.course import CAPABILITY, STAGES, Course, Line, Stage

TASK_COLUMNS = (
    "id, project_id, template_id, template_name, template_version, status, priority, input, output, error, labels, "
    "business_value_usd, business_value_kind, requested_by, requested_through, correlation_id, open_sinks, "
    "quality_score, cost_usd, tokens, deadline_at, started_at, finished_at, created_at, updated_at"
)
STAGE_COLUMNS = (
    "task_id, project_id, name, position, queue, capability, status, pending_needs, attempt, lease_id, agent_id, "
    "agent_name, output, error, cost_usd, tokens, ready_at, started_at, started_id, finished_at, created_at"
)
LOG_COLUMNS = (
    "task_id, id, project_id, stage, event, attempt, agent_id, detail, started_id, started_at, frees, "
    "created_at"
)
NULL = r"\N"
_QUESTION = (
    "Which of the open contracts mention a change of ownership, and what does each of them ask us to do?"
)
_ANSWER = (
    "Four of them do. Two ask for written consent at least thirty days ahead, one lets the other side leave within "
    "ninety days, and the last one only wants to be told. "
)
_REASON = '"code": "agent_error", "agent": "echo", "message": "the agent answered 500", "retryable": true'
_FAILED = f"{{{_REASON}}}"
_CANCELLED = '{"code": "cancelled", "message": "cancelled on request", "by": "key:portal"}'


@dataclass(frozen=True)
class Sample:
    """One task that ended, number `number` of the history, and the words and ids that its rows take.

    Its ids are hex digits without hyphens; `created` is milliseconds of Unix time.
    """

    number: int
    id: str
    project_id: str
    template_id: str
    template: str
    agent_id: str
    fate: str
    priority: str
    team: int
    customer: int
    created: int
    course: Course

    @property
    def price_usd(self) -> str:
        """What its attempts cost in all; each costs as much as the others."""
        return _usd(self.calls * _micro_usd(self))

    @property
    def calls(self) -> int:
        return sum(stage.calls for stage in self.course.stages)

    @property
    def error(self) -> str:
        """What it ended with, as JSON."""
        if self.fate == "cancelled":
            return _CANCELLED
        places = enumerate(self.course.stages)
        failed = next(STAGES[place]["name"] for place, stage in places if stage.status == "failed")
        return f'{{{_REASON}, "stage": "{failed}"}}'


def task_line(task: Sample) -> str:
    """Return the row of a task."""
    number, created, ended = task.number, task.created, task.course.ended_at
    completed = task.fate == "completed"
    output = f'{{"answer": "{_ANSWER * (1 + number % 3)}", "sources": [{number % 9}]}}' if completed else NULL
    worth = (f"{number % 400}.50", "time_saving") if number % 5 == 0 else (NULL, NULL)
    labels = f'{{"team": "team-{task.team}", "customer": "c{task.customer:04d}", "from": "web"}}'
    return "\t".join(
        (
            task.id,
            task.project_id,
            task.template_id,
            task.template,
            "1",
            task.fate,
            task.priority,
            f'{{"question": "{_QUESTION}", "number": {number}}}',
            output,
            NULL if completed else task.error,
            labels if number % 3 else "{}",
            *worth,
            "key:portal",
            "api",
            f"correlation-{number:08x}",
            "0" if completed else "1",
            _quality(task) if completed else NULL,
            task.price_usd,
            str(task.calls * _tokens(task)),
            moment(created + 3_600_000),
            moment(task.course.started_at),
            moment(ended),
            moment(created),
            moment(ended),
        )
    )


def stage_lines(task: Sample) -> list[str]:
    """Return the rows of a task's stages."""
    return [_stage_line(task, place, stage) for place, stage in enumerate(task.course.stages)]


def _stage_line(task: Sample, place: int, stage: Stage) -> str:
    named = STAGES[place]
    completed = stage.status == "completed"
    output = f'{{"question": "{_QUESTION}", "topics": ["contracts", "ownership"]}}'
    return "\t".join(
        (
            task.id,
            task.project_id,
            named["name"],
            str(place),
            named["queue"],
            CAPABILITY,
            stage.status,
            str(stage.pending_needs),
            str(stage.attempt),
            NULL if stage.status == "cancelled" else _lease(task, place),
            *((task.agent_id, "echo") if stage.calls else (NULL, NULL)),
            output if completed else NULL,
            _FAILED if stage.has_error else NULL,
            _usd(stage.calls * _micro_usd(task)),
            str(stage.calls * _tokens(task)),
            _moment_or_null(stage.ready_at),
            _moment_or_null(stage.started_at),
            _or_null(stage.started_id),
            _moment_or_null(stage.finished_at),
            moment(task.created),
        )
    )


def log_lines(task: Sample) -> list[str]:
    """Return the rows of a task's log."""
    return [_log_line(task, line) for line in task.course.lines]


def _log_line(task: Sample, line: Line) -> str:
    answered = line.event in ("stage.completed", "stage.retrying", "stage.failed")
    return "\t".join(
        (
            task.id,
            str(line.id),
            task.project_id,
            line.stage or NULL,
            line.event,
            _or_null(line.attempt),
            task.agent_id if answered else NULL,
            _attempt_detail(line) if answered else _task_detail(task, line.event),
            _or_null(line.started_id),
            _moment_or_null(line.started_at),
            _array(line.frees),
            moment(line.at),
        )
    )


def _attempt_detail(line: Line) -> str:
    detail = f'"agent": "echo", "duration_ms": {line.at - (line.started_at or line.at)}'
    if line.event == "stage.retrying":
        detail += f', "retry_delay_s": {line.retry_delay_ms / 1000}'
    if line.event != "stage.completed":
        detail += f', "error": {_FAILED}'
    return f"{{{detail}}}"


def _task_detail(task: Sample, event: str) -> str:
    if event == "task.completed":
        return f'{{"quality_score": {_quality(task)}, "cost_usd": "{task.price_usd}"}}'
    if event == "task.failed":
        return f'{{"cost_usd": "{task.price_usd}", "error": {task.error}}}'
    return f'{{"error": {task.error}}}' if event == "task.cancelled" else "{}"


def _micro_usd(task: Sample) -> int:
    return task.number % 1000


def _tokens(task: Sample) -> int:
    return task.number % 500


def _usd(micro: int) -> str:
    return f"{micro // 1_000_000}.{micro % 1_000_000:06d}"


def _quality(task: Sample) -> str:
    return f"0.{task.number % 100:02d}"


def _lease(task: Sample, place: int) -> str:
    return f"{task.id[:20]}{place:x}{task.id[21:]}"


def _array(names: Sequence[str]) -> str:
    return f"{{{','.join(names)}}}" if names else NULL


def _or_null(value: int | None) -> str:
    return NULL if value is None else str(value)


def _moment_or_null(at_ms: int | None) -> str:
    return NULL if at_ms is None else moment(at_ms)


def moment(at_ms: int) -> str:
    """Return milliseconds of Unix time as PostgreSQL reads them."""
    return f"{_second(at_ms // 1000)}.{at_ms % 1000:03d}+00"


@lru_cache(maxsize=4096)
def _second(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S")
