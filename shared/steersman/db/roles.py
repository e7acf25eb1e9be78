"""The role that the functions connect as: it reads and writes rows, and owns nothing."""

from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from steersman.errors import Conflict

ROWS: LiteralString = "SELECT, INSERT, UPDATE, DELETE"
PRIVILEGES: dict[str, LiteralString] = {
    "alembic_version": "SELECT",  # the health of the database names its revision
    "task_analytics": "SELECT",
    "task_events": "SELECT",
    "agent_performance_summary": "SELECT",
    # What is never edited: versions and history.
    "task_dag_templates": "SELECT, INSERT",
    "task_stage_logs": "SELECT, INSERT",
    "agent_health": "SELECT, INSERT",
    "audit_entries": "SELECT, INSERT",
    # What leaves only with its month's partition, or never.
    "task_histories": "SELECT, INSERT, UPDATE",
    "task_stages": "SELECT, INSERT, UPDATE",
    "dead_letters": "SELECT, INSERT, UPDATE",
    "projects": "SELECT, INSERT, UPDATE",
    "project_limits": "SELECT, INSERT, UPDATE",
}

RELATIONS = """
  SELECT relname FROM pg_class
  WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v') AND NOT relispartition
  ORDER BY relname
"""


@dataclass(frozen=True, kw_only=True)
class AppRole:
    """The functions' role. `password` None keeps the one it has; `iam` lets it log in with RDS IAM tokens."""

    name: str = "steersman_app"
    password: str | None = None
    iam: bool = False


def ensure_role(connection: psycopg.Connection[Any], role: AppRole) -> None:
    """Create `role` where it is missing and give it exactly its privileges, in one transaction.

    Errors: Conflict when it is missing and the connected user may not create roles.
    """
    with connection.transaction():
        if not _exists(connection, role.name):
            _create(connection, role.name)
        name = sql.Identifier(role.name)
        if role.password is not None:
            password = sql.Literal(role.password)
            connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(name, password))
        if role.iam and _exists(connection, "rds_iam"):
            connection.execute(sql.SQL("GRANT rds_iam TO {}").format(name))
        _grant(connection, name)


def _exists(connection: psycopg.Connection[Any], name: str) -> bool:
    return connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [name]).rowcount > 0


def _create(connection: psycopg.Connection[Any], name: str) -> None:
    try:
        with connection.transaction():
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
    except psycopg.errors.InsufficientPrivilege as exc:
        raise Conflict(
            f"this user may not create the role {name}: create it by hand and migrate again"
        ) from exc
    except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
        pass  # roles belong to the whole server: a migration of another database made it meanwhile


def _grant(connection: psycopg.Connection[Any], role: sql.Identifier) -> None:
    database = sql.Identifier(connection.info.dbname)
    statements: list[sql.Composed | sql.SQL] = [
        sql.SQL("REVOKE CREATE ON SCHEMA public FROM PUBLIC"),
        sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, role),
        sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(role),
        sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {}").format(role),
        sql.SQL("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {}").format(role),
        sql.SQL(
            "GRANT EXECUTE ON FUNCTION create_history_partitions(date), drop_history_partitions(date), "
            "fold_agent_performance(timestamptz), analyze_history() TO {}"
        ).format(role),
    ]
    for (relation,) in connection.execute(RELATIONS):
        allowed = sql.SQL(PRIVILEGES.get(relation, ROWS))
        table = sql.Identifier(relation)
        statements.append(sql.SQL("GRANT {} ON {} TO {}").format(allowed, table, role))
    for statement in statements:
        connection.execute(statement)
