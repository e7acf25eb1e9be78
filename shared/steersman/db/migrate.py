"""Migrations: bring a database to a revision, once however many ask, and prepare it for the functions.

Alembic keeps the order and the version table; the statements are SQL files. The hot path never imports this.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, StaticPool, create_engine

from steersman.db.connection import CONNECT_TIMEOUT_S, Database, translated_errors
from steersman.db.partitions import MONTHS_AHEAD, create_ahead
from steersman.db.roles import AppRole, ensure_role
from steersman.db.scripts import MIGRATIONS

LOCK = 5_838_120_411  # an advisory lock's number: any constant that nothing else in the database uses
LOCK_TIMEOUT = "10s"  # a migration that waits for a table makes everyone behind it wait too

Password = Callable[[], str] | None
Progress = Callable[[str], None]


def migrate(
    url: str,
    revision: str = "head",
    *,
    password: Password = None,
    app_role: AppRole | None = None,
    months_ahead: int = MONTHS_AHEAD,
    progress: Progress | None = None,
) -> str:
    """Bring the database at `url` (libpq URL) up to `revision` and return the revision it then has.

    Also creates the coming months' partitions and, if given, the role of the functions. Safe to repeat and to
    run from several places at once: the others wait. `progress` is told one line per step that did something.
    Errors: Unavailable when the server cannot be reached, Conflict when the role cannot be made.
    """
    say = progress or _silent
    with _exclusive(url, password) as connection:
        with _alembic(connection, say) as config:
            command.upgrade(config, revision)
        if app_role is not None:
            ensure_role(connection, app_role)
            say(f"role {app_role.name} may do what the functions do")
    database = Database(url, password=password)
    try:
        for name in create_ahead(database, months_ahead):
            say(f"created partition {name}")
    finally:
        database.close()
    return current(url, password=password) or ""


def downgrade(
    url: str, revision: str = "base", *, password: Password = None, progress: Progress | None = None
) -> str | None:
    """Take the database back to `revision`; return the revision it then has, None when nothing is left."""
    with _exclusive(url, password) as connection, _alembic(connection, progress or _silent) as config:
        command.downgrade(config, revision)
        return _current(config)


def current(url: str, *, password: Password = None) -> str | None:
    """Return the revision that the database at `url` has, None when it was never migrated."""
    with _connected(url, password) as connection, _alembic(connection, _silent) as config:
        return _current(config)


def newest() -> str:
    """Return the newest revision that this code knows."""
    return ScriptDirectory(str(MIGRATIONS)).get_current_head() or ""


def _current(config: Config) -> str | None:
    return MigrationContext.configure(config.attributes["connection"]).get_current_revision()


@contextmanager
def _connected(url: str, password: Password) -> Iterator[psycopg.Connection[Any]]:
    secret: dict[str, Any] = {"password": password()} if password else {}
    with translated_errors():
        connection = psycopg.connect(
            url, connect_timeout=CONNECT_TIMEOUT_S, application_name="steersman-migrate", **secret
        )
    with connection:
        yield connection


@contextmanager
def _exclusive(url: str, password: Password) -> Iterator[psycopg.Connection[Any]]:
    """Give a connection that holds the migrations' lock until it closes."""
    with _connected(url, password) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        connection.execute("SELECT set_config('lock_timeout', %s, false)", [LOCK_TIMEOUT])
        connection.commit()
        yield connection


@contextmanager
def _alembic(connection: psycopg.Connection[Any], say: Progress) -> Iterator[Config]:
    """Give Alembic's configuration on `connection`; it needs no file, so it works from an installed layer."""

    def applied(*, step: Any, **_: Any) -> None:
        verb = "applied" if step.is_upgrade else "reverted"
        say(f"{verb} {step.up_revision_id} {step.up_revision.doc}")

    engine = create_engine("postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool)
    with engine.connect() as wrapped:
        yield _config(wrapped, applied)


def _config(connection: Connection, applied: Callable[..., None]) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes.update(connection=connection, on_version_apply=applied)
    return config


def _silent(_: str) -> None:
    pass
