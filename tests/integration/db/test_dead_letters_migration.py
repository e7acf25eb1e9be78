"""The migration to dead letters as rows, on a database that has failures already."""

from steersman.db.connection import Database
from steersman.db.migrate import downgrade, migrate
from steersman.ids import DEFAULT_PROJECT_ID, first_id_at, new_id

TASK = """
INSERT INTO task_histories (id, project_id, template_id, template_name, template_version, status, input, requested_by,
  requested_through, correlation_id, open_sinks, finished_at)
VALUES (%(id)s, %(project)s, %(id)s, 'old', 3, 'failed', '{}', 'test', 'api', 'test', 1, now() - interval '1 day')"""
STAGE = """
INSERT INTO task_stages (task_id, project_id, name, position, queue, capability, status, pending_needs, attempt, error,
  finished_at)
VALUES (%(id)s, %(project)s, %(name)s, 0, 'agent', 'test.do', %(status)s, 0, 2, '{"code": "agent_refused"}',
        now() - interval '1 day')"""


def test_what_failed_before_has_its_letter_and_the_way_back_is_open(empty_database_url: str) -> None:
    """Stages that failed before the migration are open letters, by the time of their failure; down leaves the rest."""
    migrate(empty_database_url, "0005")
    database = Database(empty_database_url)
    keys = {"id": new_id(), "project": DEFAULT_PROJECT_ID}
    database.run(TASK, keys)
    for name, status in (("a", "completed"), ("b", "failed"), ("c", "cancelled")):
        database.run(STAGE, {**keys, "name": name, "status": status})
    database.close()
    migrate(empty_database_url, "0008")
    (letter,) = database.run("SELECT * FROM dead_letters")
    expected = {
        "task_id": keys["id"],
        "stage": "b",
        "template_name": "old",
        "template_version": 3,
        "attempt": 2,
        "error_code": "agent_refused",
        "status": "open",
    }
    assert letter.items() >= expected.items()
    assert letter["id"].version == 7
    assert letter["id"].int >> 80 == first_id_at(letter["failed_at"]).int >> 80
    database.run(
        "INSERT INTO task_stage_logs (task_id, project_id, event) VALUES (%(id)s, %(project)s, 'task.rerun')",
        keys,
    )
    database.close()
    assert downgrade(empty_database_url, "0005") == "0005"
    assert database.run("SELECT event FROM task_events") == [{"event": "task.submitted"}]
    database.close()
