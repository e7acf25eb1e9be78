"""The door to Redis (ElastiCache): one client per execution environment, errors translated in one place."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from steersman.errors import Unavailable

CONNECT_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 5.0


def connect(url: str, *, answer_timeout_s: float = ANSWER_TIMEOUT_S) -> redis.Redis:
    """Return a lazy client (`rediss://` for TLS). A connection lost while idle is replaced once, then given up.

    Scripts and multi-key commands use keys of one hash tag only, so that they also run on a cluster's shard.
    """
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=answer_timeout_s,
        retry=Retry(NoBackoff(), 1),
        health_check_interval=30,
        decode_responses=False,
        protocol=2,
    )


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn the client's errors into Unavailable."""
    try:
        yield
    except redis.RedisError as exc:
        raise Unavailable("the cache does not answer; try again", retry_after_s=2) from exc
