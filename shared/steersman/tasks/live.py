"""What Redis holds of a task: its event stream and a cached view. Both may vanish at any moment.

Keys carry the hash tag {task id}, so that each task's keys share a shard:
  task:{id}:events   stream, one CloudEvent an entry; either whole from the task's first event on, or absent
  task:{id}:view     hash: epoch (of the stream), version (grows with every event), body (the cached view)
Both live for 10 minutes after the task's end, and at most a day without an event.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from uuid import UUID, uuid4

import redis

from steersman.cache.connection import translated_errors
from steersman.errors import Fault, InvalidInput
from steersman.events import cloudevent
from steersman.json import dumps, loads
from steersman.tasks.store import Fact

AFTER_END_S = 600
SILENT_S = 86_400
RUNNING_VIEW_S = 5  # a view whose last event was lost in a crash is wrong for at most this long

# KEYS: stream, view. ARGV: epoch, '1' when these are the task's first events, seconds to live, events...
_PUBLISH = """
local known = redis.call('EXISTS', KEYS[1]) == 1 or redis.call('HEXISTS', KEYS[2], 'rebuilding') == 1
if ARGV[2] == '1' and not known then
  redis.call('HSET', KEYS[2], 'epoch', ARGV[1])
  known = true
end
redis.call('HINCRBY', KEYS[2], 'version', 1)
redis.call('HDEL', KEYS[2], 'body')
if known then
  for i = 4, #ARGV do redis.call('XADD', KEYS[1], '*', 'event', ARGV[i]) end
end
local ttl = tonumber(ARGV[3])
redis.call('EXPIRE', KEYS[1], ttl)
redis.call('EXPIRE', KEYS[2], ttl)
return known and 1 or 0
"""

# KEYS: stream, view. ARGV: epoch, seconds to live, events of the log. What was published since the log was read
# (never lost: `begin_rebuild` comes before reading it) follows behind; none comes twice.
_REBUILD = """
local published = redis.call('XRANGE', KEYS[1], '-', '+')
local seen = {}
redis.call('DEL', KEYS[1])
for i = 3, #ARGV do
  seen[cjson.decode(ARGV[i])['id']] = true
  redis.call('XADD', KEYS[1], '*', 'event', ARGV[i])
end
for _, entry in ipairs(published) do
  if not seen[cjson.decode(entry[2][2])['id']] then redis.call('XADD', KEYS[1], '*', 'event', entry[2][2]) end
end
redis.call('HSET', KEYS[2], 'epoch', ARGV[1])
redis.call('HDEL', KEYS[2], 'rebuilding')
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[2])
"""

# KEYS: view. ARGV: version, body, until when it is fresh, seconds to live of the key
_KEEP_VIEW = """
if (redis.call('HGET', KEYS[1], 'version') or '0') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'body', ARGV[2], 'body_until', ARGV[3])
if redis.call('TTL', KEYS[1]) < 0 then redis.call('EXPIRE', KEYS[1], ARGV[4]) end
return 1
"""


@dataclass(frozen=True)
class EventPage:
    """Events after a cursor, the cursor behind them, and whether the task's last event is among those up to it."""

    events: list[dict[str, Any]]
    cursor: str
    ended: bool


class LiveTasks:
    """The streams and views of tasks in Redis. Every method raises Unavailable when Redis does not answer."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._publish = client.register_script(_PUBLISH)
        self._rebuild = client.register_script(_REBUILD)
        self._keep_view = client.register_script(_KEEP_VIEW)

    def publish(self, facts: Sequence[Fact]) -> None:
        """Append facts (of any tasks, in order) to their streams and outdate the views: one round trip."""
        if not facts:
            return
        by_task = groupby(
            sorted(facts, key=lambda fact: (fact.task_id, fact.id)), key=lambda fact: fact.task_id
        )
        with translated_errors(), self._redis.pipeline(transaction=False) as pipeline:
            for task_id, group in by_task:
                events = [cloudevent.of_fact(fact) for fact in group]
                begins = events[0]["type"] == "steersman.task.submitted.v1"
                ends = any(cloudevent.ends_task(event["type"]) for event in events)
                ttl_s = AFTER_END_S if ends else SILENT_S
                arguments = [uuid4().hex, "1" if begins else "0", ttl_s, *map(dumps, events)]
                self._publish(keys=_keys(task_id), args=arguments, client=pipeline)
            pipeline.execute()

    def forget(self, task_ids: Sequence[UUID]) -> None:
        """Drop streams and views that may lack an event; readers rebuild them."""
        with translated_errors(), self._redis.pipeline(transaction=False) as pipeline:
            for task_id in task_ids:
                pipeline.delete(*_keys(task_id))
            pipeline.execute()

    def read(self, task_id: UUID, cursor: str | None, *, wait_s: float) -> EventPage | None:
        """Return the events after `cursor`, waiting up to `wait_s` for one; None when there is no stream here.

        A cursor from a stream that has since been lost and rebuilt starts from the beginning again.
        """
        stream, view = _keys(task_id)
        asked_epoch, position = _parse_cursor(cursor)
        with translated_errors():
            epoch, entries, last = self._snapshot(stream, view, asked_epoch, position)
            if epoch is None or last is None:
                return None
            start = position if asked_epoch == epoch else "0-0"
            if not entries and wait_s > 0 and not cloudevent.ends_task(_event(last)["type"]):
                reply: Any = self._redis.xread({stream: start}, block=int(wait_s * 1000)) or []
                entries = reply[0][1] if reply else []
        events = [_event(entry) for entry in entries]
        end = entries[-1][0].decode() if entries else start
        newest = events[-1] if events else _event(last)
        return EventPage(events, _cursor(epoch, end), cloudevent.ends_task(newest["type"]))

    def begin_rebuild(self, task_id: UUID) -> None:
        """Have events kept from now on, though there is no stream: what the log is too old for is then not lost."""
        stream, view = _keys(task_id)
        with translated_errors(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.delete(stream)
            pipeline.hdel(view, "epoch")
            pipeline.hset(view, "rebuilding", 1)
            pipeline.expire(view, AFTER_END_S)
            pipeline.execute()

    def rebuild(self, task_id: UUID, facts: Sequence[Fact]) -> None:
        """Put a lost stream back from the log, which was read after `begin_rebuild`."""
        with translated_errors():
            events = [dumps(cloudevent.of_fact(fact)) for fact in facts]
            self._rebuild(keys=_keys(task_id), args=[uuid4().hex, AFTER_END_S, *events])

    def view(self, task_id: UUID) -> tuple[dict[str, Any] | None, int]:
        """Return the cached view, or None, and the version that a new one must be kept under."""
        with translated_errors(), self._redis.pipeline(transaction=False) as pipeline:
            pipeline.hmget(_keys(task_id)[1], ["body", "body_until", "version"])
            pipeline.time()
            (body, until, version), (now, _) = pipeline.execute()
        fresh = body is not None and int(until) >= now
        return (loads(body) if fresh else None), int(version or 0)

    def keep_view(self, task_id: UUID, body: bytes, version: int, *, ended: bool) -> None:
        """Cache a view (JSON) read from Postgres after `view` returned `version`, unless an event came between."""
        with translated_errors():
            until = self._redis.time()[0] + (AFTER_END_S if ended else RUNNING_VIEW_S)
            self._keep_view(keys=[_keys(task_id)[1]], args=[version, body, until, AFTER_END_S])

    def _snapshot(self, stream: str, view: str, asked_epoch: str, position: str) -> Any:
        with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hget(view, "epoch")
            pipeline.xrange(stream, min=f"({position}")
            pipeline.xrevrange(stream, count=1)
            epoch, entries, last = pipeline.execute()
            if epoch is not None and epoch.decode() != asked_epoch:
                entries = self._redis.xrange(stream)
        return (epoch.decode() if epoch else None), entries, (last[0] if last else None)


def _keys(task_id: UUID) -> list[str]:
    return [f"task:{{{task_id}}}:events", f"task:{{{task_id}}}:view"]


def _event(entry: Any) -> dict[str, Any]:
    event: dict[str, Any] = loads(entry[1][b"event"])
    return event


def _cursor(epoch: str, position: str) -> str:
    return base64.urlsafe_b64encode(f"{epoch}:{position}".encode()).decode().rstrip("=")


def _parse_cursor(cursor: str | None) -> tuple[str, str]:
    if not cursor or cursor.startswith("pg."):  # none, or one given out while Redis was away
        return "", "0-0"
    try:
        epoch, position = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().split(":")
        first, second = position.split("-")
        return epoch, f"{int(first)}-{int(second)}"
    except (ValueError, binascii.Error, UnicodeDecodeError):
        fault = Fault("after", "not a cursor of this API; leave it out to start from the first event")
        raise InvalidInput("the cursor is not valid", faults=(fault,)) from None
