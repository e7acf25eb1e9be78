"""The history that is loaded: finished tasks of six stages as rows of COPY's text form.

Tasks are spread evenly over `DAYS` up to `end`, by projects, templates, priorities and fates as in life: one project
has most of them, one has few. The same seed and bounds make the same rows.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import accumulate
from typing import Any
from uuid import UUID

DAYS = 60
# Every other task has kept its log, all twenty lines of it: ten million lines for a million tasks.
LOGGED = 0.52

PROJECTS = {"default": 70.0, "support": 20.0, "research": 8.0, "billing": 1.9, "pilot": 0.1}
TEMPLATES = {
    "research_dag": 60.0,
    "ticket_answer": 25.0,
    "contract_review": 12.0,
    "weekly_digest": 2.9,
    "incident": 0.1,
}
PRIORITIES = {"medium": 80.0, "low": 10.0, "high": 8.0, "critical": 1.95, "emergency": 0.05}
FATES = {"completed": 94.0, "failed": 4.0, "cancelled": 2.0}
CUSTOMERS = 5000
STAGES: tuple[dict[str, Any], ...] = (
    {"name": "intent", "queue": "intent", "needs": []},
    {"name": "embedding", "queue": "embedding", "needs": ["intent"]},
    {"name": "websearch", "queue": "websearch", "needs": ["intent"]},
    {"name": "executor", "queue": "executor", "needs": ["embedding", "websearch"]},
    {"name": "moderator", "queue": "moderator", "needs": ["executor"]},
    {"name": "response", "queue": "responses", "needs": ["moderator"]},
)
CAPABILITY = "echo"
TASK_COLUMNS = (
    "id, project_id, template_id, template_name, template_version, status, priority, input, output, error, labels, "
    "business_value_usd, business_value_kind, requested_by, requested_through, correlation_id, open_sinks, "
    "quality_score, cost_usd, tokens, deadline_at, started_at, finished_at, created_at, updated_at"
)
STAGE_COLUMNS = (
    "task_id, project_id, name, position, queue, capability, status, pending_needs, attempt, agent_id, agent_name, "
    "output, error, cost_usd, tokens, ready_at, started_at, finished_at, created_at, updated_at"
)
LOG_COLUMNS = "task_id, project_id, stage, event, attempt, agent_id, detail, created_at"
NULL = r"\N"
_QUESTION = (
    "Which of the open contracts mention a change of ownership, and what does each of them ask us to do?"
)
_ANSWER = (
    "Four of them do. Two ask for written consent at least thirty days ahead, one lets the other side leave within "
    "ninety days, and the last one only wants to be told. "
)
_ERROR = '{"code": "agent_failed", "message": "the agent answered 500", "stage": "executor"}'


@dataclass(frozen=True)
class Places:
    """The ids that rows refer to: of projects, of templates by (project, template), of the agent of all stages."""

    projects: Mapping[str, UUID]
    templates: Mapping[tuple[str, str], UUID]
    agent: UUID


@dataclass(frozen=True)
class Span:
    """Tasks `first` to `first + count` of a history of `total` that ends at `end_ms` (Unix time)."""

    first: int
    count: int
    total: int
    end_ms: int

    def created_ms(self, number: int) -> int:
        """Return when task `number` was created, in milliseconds of Unix time."""
        return self.end_ms - int((self.total - number) / self.total * DAYS * 86_400_000)


@dataclass
class Rows:
    """Lines for COPY, without their ends."""

    tasks: list[str]
    stages: list[str]
    logs: list[str]


class Chance:
    """Draws words by weight."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def one_of(self, weights: Mapping[str, float]) -> str:
        words, sums = _cumulated(tuple(weights.items()))
        return self._rng.choices(words, cum_weights=sums)[0]


def rows_of(span: Span, places: Places) -> Rows:
    """Return the rows of the tasks of a span."""
    rng = random.Random(span.first)  # noqa: S311 - sample rows, not a secret
    chance = Chance(rng)
    rows = Rows([], [], [])
    for number in range(span.first, span.first + span.count):
        _add_task(rows, span.created_ms(number), number, rng, chance, places)
    return rows


def _add_task(
    rows: Rows, created: int, number: int, rng: random.Random, chance: Chance, places: Places
) -> None:
    bits = rng.getrandbits(74)
    task_id = f"{created:012x}7{bits & 0xFFF:03x}8{bits >> 14:015x}"
    project, template = chance.one_of(PROJECTS), chance.one_of(TEMPLATES)
    fate = chance.one_of(FATES)
    project_id = places.projects[project].hex
    stopped_at = len(STAGES) if fate == "completed" else rng.randrange(1, len(STAGES))
    logged = rng.random() < LOGGED
    facts: list[tuple[int, str, str, str]] = [(created, NULL, "task.submitted", "{}")]
    ended = created
    for position, stage in enumerate(STAGES):
        status = "completed" if position < stopped_at else fate if position == stopped_at else "cancelled"
        ready = ended
        started = ready + rng.randrange(4, 60)
        ended = started + rng.randrange(20, 900)
        rows.stages.append(
            _stage_line(task_id, project_id, position, status, (created, ready, started, ended), places)
        )
        facts += _stage_facts(stage["name"], status, (ready, started, ended), position > stopped_at)
    facts.append((ended, NULL, f"task.{fate}", f'{{"cost_usd": "0.00{number % 1000:03d}"}}'))
    if logged:
        rows.logs += [_log_line(task_id, project_id, fact, places) for fact in facts]
    names = (project_id, places.templates[project, template].hex, template)
    rows.tasks.append(
        _task_line(task_id, names, fate, chance.one_of(PRIORITIES), (created, ended), number, rng)
    )


def _task_line(
    task_id: str,
    names: Sequence[str],
    status: str,
    priority: str,
    times: tuple[int, int],
    number: int,
    rng: random.Random,
) -> str:
    created, ended = times
    team, customer = rng.randrange(40), rng.randrange(CUSTOMERS)
    completed = status == "completed"
    output = f'{{"answer": "{_ANSWER * (1 + number % 3)}", "sources": [{number % 9}]}}' if completed else NULL
    worth = (f"{number % 400}.50", "time_saving") if number % 5 == 0 else (NULL, NULL)
    labels = (
        f'{{"team": "team-{team}", "customer": "c{customer:04d}", "from": "web"}}' if number % 3 else "{}"
    )
    return "\t".join(
        (
            task_id,
            *names,
            "1",
            status,
            priority,
            f'{{"question": "{_QUESTION}", "number": {number}}}',
            output,
            NULL if completed else _ERROR,
            labels,
            *worth,
            "key:portal",
            "api",
            f"correlation-{number:08x}",
            "0" if completed else "1",
            f"0.{number % 100:02d}" if completed else NULL,
            f"0.00{number % 1000:03d}",
            str(number % 3000),
            moment(created + 3_600_000),
            moment(created + 40),
            moment(ended),
            moment(created),
            moment(ended),
        )
    )


def _stage_line(
    task_id: str,
    project_id: str,
    position: int,
    status: str,
    times: tuple[int, int, int, int],
    places: Places,
) -> str:
    created, ready, started, ended = times
    stage = STAGES[position]
    ran = status in ("completed", "failed")
    agent = (places.agent.hex, "echo") if ran else (NULL, NULL)
    output = (
        f'{{"question": "{_QUESTION}", "topics": ["contracts", "ownership"]}}'
        if status == "completed"
        else NULL
    )
    return "\t".join(
        (
            task_id,
            project_id,
            stage["name"],
            str(position),
            stage["queue"],
            CAPABILITY,
            status,
            "0" if ran else str(len(stage["needs"])),
            "3" if status == "failed" else "1",
            *agent,
            output,
            _ERROR if status == "failed" else NULL,
            "0.000120" if ran else "0",
            str(position * 40) if ran else "0",
            moment(ready) if ran else NULL,
            moment(started) if ran else NULL,
            moment(ended),
            moment(created),
            moment(ended),
        )
    )


def _stage_facts(
    name: str, status: str, times: tuple[int, int, int], never_ready: bool
) -> list[tuple[int, str, str, str]]:
    ready, started, ended = times
    detail = f'{{"agent": "echo", "duration_ms": {ended - started}}}' if status == "completed" else "{}"
    last = (ended, name, f"stage.{status}", detail)
    if never_ready:
        return [last]
    return [(ready, name, "stage.ready", "{}"), (started, name, "stage.started", "{}"), last]


def _log_line(task_id: str, project_id: str, fact: tuple[int, str, str, str], places: Places) -> str:
    at, stage, event, detail = fact
    agent = places.agent.hex if event == "stage.completed" else NULL
    attempt = NULL if stage == NULL else "1"
    return f"{task_id}\t{project_id}\t{stage}\t{event}\t{attempt}\t{agent}\t{detail}\t{moment(at)}"


def moment(at_ms: int) -> str:
    """Return milliseconds of Unix time as PostgreSQL reads them."""
    return f"{_second(at_ms // 1000)}.{at_ms % 1000:03d}+00"


@lru_cache(maxsize=4096)
def _second(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


@lru_cache
def _cumulated(weights: tuple[tuple[str, float], ...]) -> tuple[list[str], list[float]]:
    return [word for word, _ in weights], list(accumulate(weight for _, weight in weights))
