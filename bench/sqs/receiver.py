"""The receiving half: what Lambda's event source mapping does, from poll to partial batch response."""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis

from bench.sqs import streams
from bench.sqs.faults import ReceiverFaults, Record
from bench.sqs.streams import Message

ACCOUNT = "123456789012"
REGION = "us-east-1"
LOOK_S = 0.5  # at most this long without looking for delayed messages and for those that were left behind


@dataclass(frozen=True)
class Received:
    """A batch of one queue: the Lambda `event`, and the stream entries of its records, in their order."""

    queue: str
    event: dict[str, Any]
    entries: tuple[bytes, ...]


@dataclass(frozen=True)
class _Taken:
    entry: bytes
    receive_count: int
    packed: bytes


class Receiver:
    """Receives from several queues in turn: the one served last is asked last. Not safe to share between threads.

    `queues` are names ('<prefix><stage queue>-<lane>'), `consumer` names this worker. A message that is not settled
    within `visibility_s` comes again, and after `max_receives` goes to the dead-letter queue of its stage.
    """

    def __init__(
        self,
        redis_url: str,
        *,
        queues: Sequence[str],
        consumer: str,
        visibility_s: float = 180.0,
        max_receives: int = 5,
        faults: ReceiverFaults | None = None,
    ) -> None:
        self._redis = redis.Redis.from_url(redis_url, protocol=2)
        self._receive = self._redis.register_script(streams.RECEIVE)
        self._settle = self._redis.register_script(streams.SETTLE)
        self._order = deque(queues)
        self._consumer = consumer
        self._visibility_ms = int(visibility_s * 1000)
        self._max_receives = max_receives
        self._faults = faults
        self._woken: deque[tuple[str, list[_Taken]]] = deque()
        self._look_at = 0.0
        for queue in queues:
            self._make_group(queue)

    def receive(self, max_messages: int, wait_s: float) -> Received | None:
        """Return up to `max_messages` of one queue as a Lambda event, waiting up to `wait_s` for the first; or None."""
        until = time.monotonic() + wait_s
        while True:
            queue, taken, visible_in_s = self._poll(max_messages)
            if taken and (records := self._records(queue, taken)):
                return self._received(queue, records)
            left = until - time.monotonic()
            if left <= 0:
                return None
            if not taken:
                self._block(max_messages, min(left, LOOK_S, visible_in_s))

    def settle(self, received: Received, response: Mapping[str, Any] | None) -> int:
        """Delete what a function's answer does not name as failed; None (it raised) deletes nothing.

        Return how many were deleted. As in Lambda, an answer that names an unknown message fails the whole batch.
        """
        ids = [record["messageId"] for record in received.event["Records"]]
        failed = {item.get("itemIdentifier") for item in (response or {}).get("batchItemFailures") or ()}
        done = [] if response is None or failed - set(ids) else _without(ids, received.entries, failed)
        self._settle(keys=[streams.stream(received.queue), streams.COUNTS], args=[len(ids), *done])
        return len(done)

    def close(self) -> None:
        self._redis.close()

    def _make_group(self, queue: str) -> None:
        try:
            self._redis.xgroup_create(streams.stream(queue), streams.GROUP, id="0", mkstream=True)
        except redis.ResponseError as exc:
            if "BUSYGROUP" not in str(exc):
                raise

    def _poll(self, count: int) -> tuple[str, list[_Taken], float]:
        """Return a queue and what it had; or seconds until one will have a delayed message."""
        if self._woken:
            queue, taken = self._woken.popleft()
            return queue, taken, 0.0
        queues = list(self._order)
        keys = [streams.COUNTS]
        for queue in queues:
            keys += [
                streams.stream(queue),
                streams.delayed(queue),
                streams.stream(streams.dead_queue(queue)),
            ]
        number, found = self._receive(
            keys=keys, args=[self._consumer, count, self._visibility(), self._max_receives]
        )
        if not number:
            return "", [], found / 1000 if found >= 0 else LOOK_S
        queue = queues[number - 1]
        self._order.rotate(-number)
        return queue, [_Taken(*entry) for entry in found], 0.0

    def _visibility(self) -> int:
        """Return the visibility timeout when it is time to look for messages left behind, else 0."""
        now = time.monotonic()
        if now < self._look_at:
            return 0
        self._look_at = now + min(LOOK_S, self._visibility_ms / 4000)
        return self._visibility_ms

    def _block(self, count: int, seconds: float) -> None:
        """Wait for a message on any queue and keep it for the next poll; rarely there are several queues' at once."""
        if seconds <= 0:
            return
        asked: dict[Any, Any] = {streams.stream(queue): ">" for queue in self._order}
        wait_ms = max(1, int(seconds * 1000))
        reply: Any = self._redis.xreadgroup(streams.GROUP, self._consumer, asked, count=count, block=wait_ms)
        for key, entries in reply or ():
            queue = key.decode().removeprefix(streams.stream(""))
            taken = [_Taken(entry, 1, fields[streams.FIELD]) for entry, fields in entries]
            self._woken.append((queue, taken))

    def _records(self, queue: str, taken: Sequence[_Taken]) -> list[tuple[bytes, Record]]:
        pairs = [(one.entry, _record(queue, one)) for one in taken]
        return self._misdeliver(queue, pairs, taken) if self._faults else pairs

    def _misdeliver(
        self, queue: str, pairs: list[tuple[bytes, Record]], taken: Sequence[_Taken]
    ) -> list[tuple[bytes, Record]]:
        assert self._faults is not None
        kept: list[tuple[bytes, Record]] = []
        for (entry, record), one in zip(pairs, taken, strict=True):
            if (seconds := self._faults.late(queue, record)) is not None:
                self._put(queue, one.packed, seconds, instead_of=entry)
                continue
            if (seconds := self._faults.again(queue, record)) is not None:
                self._put(queue, one.packed, seconds)
            kept.append((entry, record))
        entries = {id(record): entry for entry, record in kept}
        ordered = self._faults.order([record for _, record in kept])
        return [(entries[id(record)], record) for record in ordered]

    def _put(self, queue: str, packed: bytes, seconds: float, instead_of: bytes | None = None) -> None:
        """Put a message into its queue, `instead_of` an entry in one step: whoever is killed leaves one of the two."""
        stream = streams.stream(queue)
        now_s, now_us = self._redis.time()
        due = now_s * 1000 + now_us // 1000 + int(seconds * 1000)
        with self._redis.pipeline(transaction=True) as change:
            if seconds <= 0:
                change.xadd(stream, {streams.FIELD: packed})
            else:
                change.zadd(streams.delayed(queue), {packed: due})
            if instead_of is not None:
                change.xack(stream, streams.GROUP, instead_of)
                change.xdel(stream, instead_of)
            change.execute()

    def _received(self, queue: str, pairs: list[tuple[bytes, Record]]) -> Received:
        event = {"Records": [record for _, record in pairs]}
        return Received(queue, event, tuple(entry for entry, _ in pairs))


def _without(ids: Sequence[str], entries: Sequence[bytes], failed: set[Any]) -> list[bytes]:
    return [entry for message_id, entry in zip(ids, entries, strict=True) if message_id not in failed]


def _record(queue: str, taken: _Taken) -> Record:
    message = Message.parse(taken.packed)
    return {
        "messageId": message.id,
        "receiptHandle": taken.entry.decode(),
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": str(taken.receive_count),
            "SentTimestamp": str(message.sent_ms),
            "SenderId": ACCOUNT,
            "ApproximateFirstReceiveTimestamp": str(time.time_ns() // 1_000_000),
        },
        "messageAttributes": {},
        "md5OfBody": message.md5,
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}",
        "awsRegion": REGION,
    }
