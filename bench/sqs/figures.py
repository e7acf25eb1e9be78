"""What was called and sent, and what waits."""

from collections.abc import Iterable
from typing import Any

import redis

from bench.sqs import streams
from bench.sqs.streams import Message


def read_counts(client: redis.Redis) -> dict[str, int]:
    """Return the counters since the server began.

    send_operations (calls of the product), send_calls (with botocore's retries), send_units (billed: 64 KiB each),
    sent_messages, sent_bytes; receive_calls and delete_calls (of ten messages each, which Lambda makes),
    received_messages, deleted_messages, invocations; given_up_messages (dead letters of the queues themselves).
    Receives are counted when they are settled.
    """
    found: Any = client.hgetall(streams.COUNTS)
    return {name.decode(): int(value) for name, value in found.items()}


def depth(client: redis.Redis, queues: Iterable[str]) -> int:
    """Return how many messages the queues hold: visible, in flight and delayed."""
    pipeline = client.pipeline(transaction=False)
    for queue in queues:
        pipeline.xlen(streams.stream(queue))
        pipeline.zcard(streams.delayed(queue))
    return sum(pipeline.execute())


def dead_letters(client: redis.Redis, queue: str) -> list[str]:
    """Return the bodies in a dead-letter queue, oldest first; they stay there."""
    entries: Any = client.xrange(streams.stream(queue))
    return [Message.parse(fields[streams.FIELD]).body for _, fields in entries]
