"""The history that is loaded: finished tasks of six stages as rows of COPY's text form, with all of their log.

Tasks are spread evenly over `DAYS` up to `end`, by projects, templates, priorities and fates as in life: one project
has most of them, one has few. The same seed and bounds make the same rows.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, chain, zip_longest
from uuid import UUID

from bench.scale.copy_text import Sample, log_lines, stage_lines, task_line
from bench.scale.course import ID_STEP, IDS_A_TASK, Course

DAYS = 60
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
TEAMS = 40
CUSTOMERS = 5000
TOGETHER = 100  # tasks that go through the engine in one batch


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


def first_log_id(number: int) -> int:
    """Return the first id of the log of task `number`: those of one task lie together, and none is of two."""
    return 1 + number * IDS_A_TASK * ID_STEP


def rows_of(span: Span, places: Places) -> Rows:
    """Return the rows of the tasks of a span."""
    rng = random.Random(span.first)  # noqa: S311 - sample rows, not a secret
    chance = Chance(rng)
    rows = Rows([], [], [])
    logs = []
    for number in range(span.first, span.first + span.count):
        task = _sample(number, span.created_ms(number), rng, chance, places)
        rows.tasks.append(task_line(task))
        rows.stages += stage_lines(task)
        logs.append(log_lines(task))
    for first in range(0, len(logs), TOGETHER):
        rows.logs += in_turns(logs[first : first + TOGETHER])
    return rows


def in_turns(logs: list[list[str]]) -> list[str]:
    """Return the lines in the order in which the engine writes those of a batch: of each task the first, then on.

    So lines of one size lie together and fill their pages, and those of one task lie in several.
    """
    return [line for line in chain.from_iterable(zip_longest(*logs)) if line is not None]


def _sample(number: int, created: int, rng: random.Random, chance: Chance, places: Places) -> Sample:
    bits = rng.getrandbits(74)
    project, template = chance.one_of(PROJECTS), chance.one_of(TEMPLATES)
    fate = chance.one_of(FATES)
    return Sample(
        number=number,
        id=f"{created:012x}7{bits & 0xFFF:03x}8{bits >> 14:015x}",
        project_id=places.projects[project].hex,
        template_id=places.templates[project, template].hex,
        template=template,
        agent_id=places.agent.hex,
        fate=fate,
        priority=chance.one_of(PRIORITIES),
        team=rng.randrange(TEAMS),
        customer=rng.randrange(CUSTOMERS),
        created=created,
        course=Course(fate, created, first_log_id(number), rng),
    )


@lru_cache
def _cumulated(weights: tuple[tuple[str, float], ...]) -> tuple[list[str], list[float]]:
    return [word for word, _ in weights], list(accumulate(weight for _, weight in weights))
