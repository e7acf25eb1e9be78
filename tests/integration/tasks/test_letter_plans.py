"""Lists of dead letters and of the audit stay quick however many there are."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from steersman.audit import store as audit_store
from steersman.db.connection import Database
from steersman.ids import DEFAULT_PROJECT_ID, new_id
from steersman.tasks import letter_store
from tests.integration.tasks.history_rows import Watched
from tests.integration.tasks.statement_plans import explain, nodes

FILL = """
WITH made AS (
  SELECT n, (left(first_id_at(now() - make_interval(mins => n))::text, 14) || '7000-8000-'
             || lpad(to_hex(n), 12, '0'))::uuid AS id,
         CASE WHEN n % 4 = 0 THEN '00000000-0000-7000-8000-000000000001'::uuid ELSE gen_random_uuid() END AS project_id
  FROM generate_series(1, 20000) AS n
), letters AS (
  INSERT INTO dead_letters (id, project_id, task_id, stage, template_name, template_version, queue, capability, attempt,
    error_code, error, failed_at, status)
  SELECT id, project_id, id, 's' || n % 7, 't' || n % 11, 1, 'agent', 'test.do', 1, 'e' || n % 13, '{}', now(),
         CASE WHEN n % 20 = 0 THEN 'open' ELSE 'redriven' END
  FROM made
)
INSERT INTO audit_entries (id, project_id, by, action, target)
SELECT id, project_id, 'p' || n % 5, 'a' || n % 3, 't' || n FROM made
"""
FILTERS: list[dict[str, Any]] = [
    {},
    {"status": "open"},
    {"template": "t4"},
    {"error": "e4"},
    {"stage": "s4"},
    {"status": "open", "failed_after": datetime.now(UTC) - timedelta(days=1)},
]


@pytest.fixture
def filled(database_url: str, database: Database) -> Watched:
    database.run(FILL.replace("%", "%%"), {})
    database.run("ANALYZE dead_letters, audit_entries")
    return Watched(database_url)


def scans(watched: Watched) -> list[str]:
    """Return how the last statement reads the two tables, planned for its values and for any."""
    ((statement, parameters),) = watched.seen
    watched.seen.clear()
    with psycopg.connect(watched._url) as connection:
        plans = [explain(connection, statement, parameters, generic=generic) for generic in (False, True)]
    return [
        node["Node Type"]
        for plan in plans
        for node in nodes(plan)
        if node.get("Relation Name") in {"dead_letters", "audit_entries"}
    ]


def test_lists_are_read_by_an_index(filled: Watched) -> None:
    """A page of letters, by any filter, and of the audit reads rows by an index from the newest on."""
    for before in (None, new_id()):
        for filters in FILTERS:
            rows = letter_store.page(filled, DEFAULT_PROJECT_ID, filters=filters, before=before, limit=51)
            assert rows
            assert set(scans(filled)) <= {"Index Scan", "Bitmap Heap Scan"}, filters
        found = {"action": None, "target": None, "by": None}
        assert audit_store.page(filled, DEFAULT_PROJECT_ID, filters=found, before=before, limit=51)
        assert set(scans(filled)) <= {"Index Scan", "Bitmap Heap Scan"}
    filled.close()
