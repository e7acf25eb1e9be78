"""CHECK constraints: the database refuses what the code's words do not know."""

import re
from enum import StrEnum
from typing import Any

import pytest
from sqlalchemy import CheckConstraint

from steersman.db.connection import Database
from steersman.db.tables import metadata
from steersman.errors import Conflict
from steersman.tasks.schedule_times import CatchUp, Overlap, WhenKind
from steersman.tasks.words import LetterStatus, Orchestrator, Priority, Queue, StageStatus, TaskStatus
from tests.integration.db.rows import insert

ENUMS = sorted(
    (table.name, match[1])
    for table in metadata.tables.values()
    for constraint in table.constraints
    if isinstance(constraint, CheckConstraint)
    and (match := re.match(r"(\w+) IN \(", str(constraint.sqltext)))
)
WORDS = [
    ("task_histories", "orchestrator", Orchestrator),
    ("task_histories", "status", TaskStatus),
    ("task_histories", "priority", Priority),
    ("task_stages", "status", StageStatus),
    ("task_stages", "queue", Queue),
    ("dead_letters", "status", LetterStatus),
    ("schedules", "priority", Priority),
    ("schedules", "when_kind", WhenKind),
    ("schedules", "overlap", Overlap),
    ("schedules", "catch_up", CatchUp),
]
REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("projects", {"slug": "Not A Slug"}),
    ("task_dag_templates", {"version": 0}),
    ("task_histories", {"business_value_usd": -1}),
    ("task_histories", {"open_sinks": -1}),
    ("task_histories", {"quality_score": 1.01}),
    ("schedules", {"template_version": 0}),
    ("task_stages", {"pending_needs": -1}),
    ("task_stages", {"attempt": 0}),
    ("task_stages", {"base_attempt": -1}),
    ("agents", {"status": "active", "endpoint": None}),
    ("agents", {"max_concurrency": 0}),
    ("agents", {"price_per_call_usd": -1}),
    ("agents", {"price_per_million_tokens_usd": -1}),
    ("documents", {"sha256": "not a digest"}),
    ("documents", {"size_bytes": 0}),
    ("documents", {"chunk_count": 0}),
    ("document_chunks", {"position": -1}),
    ("evidence", {"number": 0}),
    ("evidence", {"credibility": 1.01}),
    ("evidence_chains", {"statement_number": 0}),
    ("evidence_chains", {"strength": -0.1}),
]
DEFINITION = """
  SELECT pg_get_constraintdef(oid) AS rule FROM pg_constraint
  WHERE conname = %(name)s AND conrelid = %(table)s::regclass
"""


@pytest.mark.parametrize(("table", "column"), ENUMS)
def test_unknown_words_are_refused(table: str, column: str, database: Database) -> None:
    """A column that holds a word takes only the words of its list."""
    with pytest.raises(Conflict, match=f"{table}_{column}_check"):
        insert(database, table, **{column: "no-such-word"})


@pytest.mark.parametrize(("table", "column", "words"), WORDS)
def test_words_are_those_of_the_code(
    table: str, column: str, words: type[StrEnum], database: Database
) -> None:
    """The database and steersman.tasks.words know the same words."""
    [found] = database.run(DEFINITION, {"name": f"{table}_{column}_check", "table": table})
    assert re.findall(r"'(\w+)'", found["rule"]) == [*words]


@pytest.mark.parametrize(("table", "values"), REFUSED)
def test_values_out_of_range_are_refused(table: str, values: dict[str, Any], database: Database) -> None:
    """A value outside its column's range is refused by the column's CHECK."""
    with pytest.raises(Conflict, match="check constraint"):
        insert(database, table, **values)


@pytest.mark.parametrize("table", sorted(metadata.tables))
def test_sample_rows_are_accepted(table: str, database: Database) -> None:
    """A plain row of every table is accepted: what other tests see refused is refused for its one value."""
    assert insert(database, table)
