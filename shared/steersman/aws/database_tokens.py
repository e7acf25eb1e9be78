"""IAM authentication to Aurora: a password that is a signed token, made for each new connection."""

from collections.abc import Callable
from typing import Any

from psycopg.conninfo import conninfo_to_dict


def token_source(rds_client: Any, database_url: str) -> Callable[[], str]:
    """Return a function that makes a token (valid for 15 minutes) for the host, port and user of a libpq URL."""
    target = conninfo_to_dict(database_url)

    def token() -> str:
        return str(
            rds_client.generate_db_auth_token(
                DBHostname=target["host"], Port=int(target.get("port") or 5432), DBUsername=target["user"]
            )
        )

    return token
