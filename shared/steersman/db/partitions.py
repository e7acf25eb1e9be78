"""The months of the history tables: coming ones are made ahead, those past their retention are dropped."""

from dataclasses import dataclass

from steersman.db.connection import Database

MONTHS_AHEAD = 3
KEEP_HOURS_DAYS = 7

CREATE = """
  SELECT create_history_partitions((now() + make_interval(months => ahead))::date) AS name
  FROM generate_series(-1, %(months_ahead)s) AS ahead
"""
DROP = """
  SELECT drop_history_partitions((now() - make_interval(months => %(months)s))::date) AS name
"""


@dataclass(frozen=True)
class PartitionReport:
    """The names of the partitions that were made and dropped."""

    created: list[str]
    dropped: list[str]


def ensure(database: Database, *, months_ahead: int, retention_months: int) -> PartitionReport:
    """Make the partitions up to `months_ahead` from now, drop those older than `retention_months` (at least 1).

    Harmless to repeat; the functions' role may do it.
    """
    created = create_ahead(database, months_ahead)
    dropped = database.run(DROP, {"months": retention_months})
    return PartitionReport(created, [row["name"] for row in dropped])


def tend(database: Database, *, keep_hours_days: int) -> int:
    """Fold what was measured of agents before `keep_hours_days` into days, and gather statistics of the history.

    Return how many rows folding saved. Harmless to repeat; the functions' role may do it.
    """
    database.run("SELECT analyze_history()")
    fold = "SELECT fold_agent_performance(now() - make_interval(days => %(days)s)) AS saved"
    return int(database.run(fold, {"days": keep_hours_days})[0]["saved"])


def create_ahead(database: Database, months_ahead: int) -> list[str]:
    """Make what is missing from last month to `months_ahead` from now; return the new partitions' names.

    Last month too: its late rows may lie in the default partition, where retention would never find them.
    """
    return [row["name"] for row in database.run(CREATE, {"months_ahead": months_ahead})]
