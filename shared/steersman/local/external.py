"""Servers of the user's own that stand in for the local ones: only looked at, never started or stopped."""

import psycopg
from redis import Redis
from redis.exceptions import RedisError

from steersman.local.errors import LocalCloudError

_LIMIT_S = 10


def check_database(url: str) -> None:
    """Raise LocalCloudError, which does not repeat the URL, unless PostgreSQL takes a connection there."""
    try:
        psycopg.connect(url, connect_timeout=_LIMIT_S).close()
    except psycopg.Error:
        # `from None`: the driver's message may repeat the URL, which holds a password.
        raise _unreachable("PostgreSQL", "STEERSMAN_DATABASE_URL") from None


def check_redis(url: str) -> None:
    """Raise LocalCloudError, which does not repeat the URL, unless Redis answers there."""
    try:
        with Redis.from_url(url, socket_connect_timeout=_LIMIT_S, socket_timeout=_LIMIT_S) as client:
            client.ping()
    except (RedisError, ValueError):
        raise _unreachable("Redis", "STEERSMAN_REDIS_URL") from None


def _unreachable(title: str, variable: str) -> LocalCloudError:
    return LocalCloudError(
        f"the {title} that {variable} names cannot be reached",
        advice=f"Check its address and password, or unset {variable} to use the local {title}.",
    )
