"""The SQL of pauses: of tasks, templates and queues."""

from steersman.db.connection import Database


def known(database: Database) -> frozenset[tuple[int, str, str]]:
    """Return every pause of a template or queue: the project's id as a number, scope, name."""
    rows = database.tuples("SELECT project_id, scope, name FROM pauses")
    return frozenset((project.int, scope, name) for project, scope, name in rows)
