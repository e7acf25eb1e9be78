"""What a process asks of its servers, counted where its drivers hand it over."""

from collections import Counter
from typing import Any, cast

import psycopg
from redis.connection import AbstractConnection

SQL = "sql_statements"
REDIS = "redis_round_trips"


def count_calls(redis_port: int) -> Counter[str]:
    """Count from now on the SQL statements of this process and its round trips to the Redis on a port.

    A pipeline is one round trip. What is counted costs about 0.2 microseconds.
    """
    counts: Counter[str] = Counter({SQL: 0, REDIS: 0})
    execute, send = psycopg.Cursor.execute, cast("Any", AbstractConnection.send_packed_command)

    def counted_execute(self: Any, *given: Any, **named: Any) -> Any:
        counts[SQL] += 1
        return execute(self, *given, **named)

    def counted_send(self: Any, *given: Any, **named: Any) -> Any:
        if self.port == redis_port:
            counts[REDIS] += 1
        return send(self, *given, **named)

    psycopg.Cursor.execute = counted_execute  # type: ignore[method-assign]
    AbstractConnection.send_packed_command = counted_send  # type: ignore[method-assign]
    return counts
