"""The longer statements of tasks, each a file of its own in sql/."""

from functools import cache
from importlib.resources import files

from steersman.db.statements import Statement


@cache
def sql(name: str) -> Statement:
    """Return the statement of sql/{name}.sql."""
    return Statement.of(files("steersman.tasks").joinpath("sql", f"{name}.sql").read_text("utf-8"))
