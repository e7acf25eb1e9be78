"""Preparing the database of an environment during its deploy: migrate, make the functions' role, seed."""

from collections.abc import Callable
from typing import Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from steersman.db.connection import Database
from steersman.db.migrate import migrate
from steersman.db.roles import AppRole
from steersman.json import loads
from steersman.seed import seed
from steersman.settings import Settings
from steersman.tasks.machine_making import MachineMaking

ROLE = "steersman_app"


def prepare(
    settings: Settings,
    secret: Callable[[str], str],
    *,
    making: MachineMaking | None = None,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Migrate to the newest revision and seed; return the revision and what was new.

    With `database_admin_secret` (AWS) this connects as the owner named there and makes the functions' role with
    IAM login; without it (local) the functions are the owner. `secret` reads a secret by its ARN, `making` makes the
    state machines of templates.
    """
    url, role = settings.database_url, None
    if settings.database_admin_secret:
        owner = loads(secret(settings.database_admin_secret))
        url = make_conninfo(
            **{**conninfo_to_dict(url), "user": owner["username"], "password": owner["password"]}
        )
        role = AppRole(name=ROLE, iam=True)
    revision = migrate(url, app_role=role, progress=progress)
    database = Database(url)
    try:
        return {"revision": revision, **seed(database, making=making, progress=progress)}
    finally:
        database.close()
