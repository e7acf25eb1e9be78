"""The sample history of `make bench-scale`, before it is loaded."""

from collections import Counter
from uuid import UUID

from bench.scale.copy_text import LOG_COLUMNS, NULL, STAGE_COLUMNS
from bench.scale.history import PROJECTS, TEMPLATES, TOGETHER, Places, Rows, Span, first_log_id, rows_of

COUNT, TOTAL, END_MS = 1000, 3000, 1_800_000_000_000
AGENT = UUID(int=7)
Row = dict[str, str]


def rows(first: int = 0) -> Rows:
    projects = {name: UUID(int=place) for place, name in enumerate(PROJECTS)}
    templates = {(project, name): AGENT for project in PROJECTS for name in TEMPLATES}
    return rows_of(Span(first, COUNT, TOTAL, END_MS), Places(projects, templates, AGENT))


def told(columns: str, lines: list[str]) -> list[Row]:
    return [dict(zip(columns.split(", "), line.split("\t"), strict=True)) for line in lines]


def event_ids(line: Row) -> list[int]:
    """Return the ids of all events that a line tells, as the view task_events draws them."""
    frees = [] if line["frees"] == NULL else line["frees"].split(",")
    started = [] if line["started_id"] == NULL else [int(line["started_id"])]
    return [*started, *range(int(line["id"]), int(line["id"]) + len(frees) + 1)]


def test_a_million_tasks_make_ten_million_lines() -> None:
    """A task has ten lines on average, and no sixth more or less of them in one part of the history."""
    assert len(rows().logs) >= 10 * COUNT * 0.99
    assert len(rows(2 * COUNT).logs) <= 10 * COUNT * 1.02


def test_no_event_has_the_id_of_another() -> None:
    """Ids grow with a task's lines, a start's lies before its line's, and spans loaded at once share none."""
    ids = []
    for first in (0, COUNT):
        lines = told(LOG_COLUMNS, rows(first).logs)
        own: dict[str, list[int]] = {}
        for line in lines:
            own.setdefault(line["task_id"], []).append(int(line["id"]))
        assert all(of_task == sorted(of_task) for of_task in own.values())
        assert all(event_ids(line)[0] <= int(line["id"]) for line in lines)
        ids += [event_id for line in lines for event_id in event_ids(line)]
        assert first_log_id(first) <= min(event_id for line in lines for event_id in event_ids(line))
        assert max(event_id for line in lines for event_id in event_ids(line)) < first_log_id(first + COUNT)
    assert len(ids) == len(set(ids))


def test_lines_of_a_batch_lie_as_the_engine_writes_them() -> None:
    """The first lines of a hundred tasks lie together, then their second ones: what is written of one batch at once."""
    lines = told(LOG_COLUMNS, rows().logs)
    assert {line["event"] for line in lines[:TOGETHER]} == {"task.submitted"}
    assert len({line["task_id"] for line in lines[TOGETHER : 2 * TOGETHER]}) == TOGETHER


def test_every_stage_that_ran_was_freed_once() -> None:
    """The lines free each stage that has been ready, once, and no other."""
    history = rows()
    freed = Counter(
        (line["task_id"], stage)
        for line in told(LOG_COLUMNS, history.logs)
        if line["frees"] != NULL
        for stage in line["frees"].strip("{}").split(",")
    )
    stages = told(STAGE_COLUMNS, history.stages)
    assert set(freed.values()) == {1}
    assert set(freed) == {(row["task_id"], row["name"]) for row in stages if row["ready_at"] != NULL}


def test_the_same_seed_makes_the_same_rows() -> None:
    """A span made again is the same to the letter."""
    assert rows() == rows()
