"""What Redis holds of the tasks that somebody watches: an event stream and a cached view of each, and who is watched.

  steersman:watched  sorted set of task ids by the time until which they are watched. Workers tell of these tasks only:
                     most are looked at when they have ended, or never. Behind an id an e: only its end is waited for
  task:{id}:events   stream, one event an entry (`_entry`); either whole from the task's first event on, or absent
  task:{id}:ended    stream of one entry, there from the task's end on: who waits for that blocks on it
  task:{id}:view     hash: epoch (of the stream), has:{event} for each of its events, ended and resumed (the ids of the
                     last such events; the later one tells how the task stands), version (grows with every event), body
                     (the cached view) with body_version and body_until

A task's keys carry the hash tag {task id}, so that they share a shard. They live for 10 minutes after its end, and for
half a day to a day without an event. Everything may vanish at any moment. Who watches says so before reading the
log, and a worker asks who is watched after writing it: so no event falls between the two.
"""

import base64
import binascii
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from math import ceil
from typing import Any
from uuid import UUID, uuid4

import redis

from steersman.cache.connection import translated_errors
from steersman.errors import Fault, InvalidInput
from steersman.events import cloudevent
from steersman.json import dumps, loads
from steersman.tasks.log_store import ENDS, RERUN, Fact

WATCHED = "steersman:watched"
WATCHED_S = 120  # a follower asks again every 25 s
MANY = 10  # tasks: to name more than these, only to hear that nobody watches any, costs more than to ask that first
AFTER_END_S = 600
SILENT_S = 86_400
MAX_POSITION = 2**64
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
RUNNING_VIEW_S = 5  # a view whose last event was lost in a crash is wrong for at most this long

# What scripts share: a stream is whole when the view knows its epoch; an event's id is noted where it is appended.
_SCRIPT = f"""
local AFTER_END_S, SILENT_S = {AFTER_END_S}, {SILENT_S}
local stream, view = KEYS[1], KEYS[2]
local function whole() return redis.call('EXISTS', stream) == 1 and redis.call('HEXISTS', view, 'epoch') == 1 end
local function append(event)
  if redis.call('HSETNX', view, 'has:' .. string.match(event, '%d+'), '1') == 1 then
    redis.call('XADD', stream, '*', 'event', event)
  end
end
local function live(seconds)
  redis.call('EXPIRE', stream, seconds)
  redis.call('EXPIRE', view, seconds)
end
-- Note the ids of an end and of a resumption, '0' for none; say whether the task has ended as far as is known here.
local function over(ended, resumed)
  local known = redis.call('HMGET', view, 'ended', 'resumed')
  ended = math.max(tonumber(ended), tonumber(known[1] or '0'))
  resumed = math.max(tonumber(resumed), tonumber(known[2] or '0'))
  if ended > 0 then redis.call('HSET', view, 'ended', string.format('%.0f', ended)) end
  if resumed > 0 then redis.call('HSET', view, 'resumed', string.format('%.0f', resumed)) end
  return ended > resumed
end
"""

# KEYS: stream, view, ended. ARGV: the ids of the last end and resumption among the events or '0', then each event
_PUBLISH = (
    _SCRIPT
    + """
local known = redis.call('HMGET', view, 'epoch', 'rebuilding')
local kept = known[2] or known[1] and redis.call('EXISTS', stream) == 1
redis.call('HINCRBY', view, 'version', 1)
local ended = over(ARGV[1], ARGV[2])
if kept then for i = 3, #ARGV do append(ARGV[i]) end end
if ended and ARGV[1] ~= '0' then
  redis.call('XADD', KEYS[3], 'MAXLEN', '1', '*', 'ended', '1')
  redis.call('EXPIRE', KEYS[3], AFTER_END_S)
elseif not ended and ARGV[2] ~= '0' then
  redis.call('DEL', KEYS[3])
end
if ended then
  live(AFTER_END_S)
elseif ARGV[2] ~= '0' or redis.call('TTL', view) < SILENT_S / 2 then
  live(SILENT_S)
end
"""
)

# KEYS: watched. ARGV: task id, seconds. Returns 1 when the task was watched already.
_WATCH = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local known = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return known and 1 or 0
"""

_BEGIN_REBUILD = (
    _SCRIPT
    + """
if whole() then return end
local version = redis.call('HGET', view, 'version') or '0'
redis.call('DEL', stream, view)
redis.call('HSET', view, 'rebuilding', '1', 'version', version)
redis.call('EXPIRE', view, AFTER_END_S)
"""
)

# ARGV: epoch, the ids of the last end and resumption among the events or '0', then each event of the log. What was
# published since the log was read (kept, because `begin_rebuild` comes before) follows behind; none comes twice.
_REBUILD = (
    _SCRIPT
    + """
local published = {}
if not whole() then
  published = redis.call('XRANGE', stream, '-', '+')
  local known = redis.call('HMGET', view, 'version', 'ended', 'resumed')
  redis.call('DEL', stream, view)
  redis.call('HSET', view, 'epoch', ARGV[1], 'version', known[1] or '0')
  over(known[2] or '0', known[3] or '0')
end
over(ARGV[2], ARGV[3])
for i = 4, #ARGV do append(ARGV[i]) end
for _, entry in ipairs(published) do append(entry[2][2]) end
live(AFTER_END_S)
"""
)

# KEYS: view. ARGV: version, body, until when it is fresh, seconds to live of the key
_KEEP_VIEW = """
if (redis.call('HGET', KEYS[1], 'version') or '0') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'body', ARGV[2], 'body_until', ARGV[3], 'body_version', ARGV[1])
if redis.call('TTL', KEYS[1]) < 0 then redis.call('EXPIRE', KEYS[1], ARGV[4]) end
return 1
"""


# KEYS: view, ended. ARGV: id of the resumption
_REOPEN = """
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HDEL', KEYS[1], 'body')
  if tonumber(redis.call('HGET', KEYS[1], 'resumed') or '0') < tonumber(ARGV[1]) then
    redis.call('HSET', KEYS[1], 'resumed', ARGV[1])
  end
end
if tonumber(redis.call('HGET', KEYS[1], 'ended') or '0') < tonumber(ARGV[1]) then redis.call('DEL', KEYS[2]) end
"""


@dataclass(frozen=True)
class EventPage:
    """Events after a cursor, the cursor behind them, and whether the task's last event is among those up to it."""

    events: list[dict[str, Any]]
    cursor: str
    ended: bool


class LiveTasks:
    """The streams and views of tasks in Redis. Every method raises Unavailable when Redis does not answer."""

    def __init__(self, client: redis.Redis, patient: redis.Redis | None = None) -> None:
        """`patient` is the client whose answers may take as long as a follower waits (default: `client`)."""
        self._redis = client
        self._patient = patient or client
        self._publish_sha = sha1(_PUBLISH.encode()).hexdigest()  # noqa: S324 - the name that Redis gives to a script
        self._watch = client.register_script(_WATCH)
        self._begin_rebuild = client.register_script(_BEGIN_REBUILD)
        self._rebuild = client.register_script(_REBUILD)
        self._keep_view = client.register_script(_KEEP_VIEW)

    def publish(self, facts: Sequence[Fact]) -> None:
        """Tell of facts (of any tasks), each event by itself: to the streams of watched tasks, outdating their views.

        One round trip when nobody watches, else two, or three when the tasks are many.
        """
        if not facts:
            return
        by_task: dict[int, list[Fact]] = defaultdict(list)  # by ints, because a UUID's hash is made in Python
        for fact in facts:
            by_task[fact.task_id.int].append(fact)
        with translated_errors():
            if len(by_task) > MANY and not self._redis.exists(WATCHED):
                return
            calls = [
                (*_keys(of_task[0].task_id), _ended_key(of_task[0].task_id), *_arguments(of_task))
                for of_task in self._watched(list(by_task.values()))
            ]
            if calls and (unknown := self._call_publish(calls)):
                # Redis forgets scripts when it restarts; asking for them each time would cost a round trip.
                self._redis.script_load(_PUBLISH)
                if self._call_publish(unknown):
                    raise redis.RedisError("the script is not known although it was loaded")

    def _watched(self, tasks: list[list[Fact]]) -> list[list[Fact]]:
        """Return of facts by task those that somebody watches, or whose end somebody waits for."""
        ended = [any(fact.event in ENDS for fact in of_task) for of_task in tasks]
        members = [of_task[0].task_id.bytes for of_task in tasks]
        members += [
            _member(of_task[0].task_id, True) for of_task, end in zip(tasks, ended, strict=True) if end
        ]
        until = iter(self._redis.zmscore(WATCHED, members))  # type: ignore[arg-type]  # bytes are members too
        watched = [next(until) is not None for _ in tasks]
        awaited = [end and next(until) is not None for end in ended]
        return [of_task for of_task, *asked in zip(tasks, watched, awaited, strict=True) if any(asked)]

    def reopen(self, facts: Sequence[Fact]) -> None:
        """Tell that tasks which had ended run again: no view, follower or waiter is answered by their old end.

        One round trip more than `publish`, for any number of tasks.
        """
        self.publish(facts)
        with translated_errors(), self._redis.pipeline(transaction=False) as pipeline:
            for fact in facts:
                # What nobody watches was told nothing: what is left of it must not say that the task has ended.
                pipeline.eval(_REOPEN, 2, _keys(fact.task_id)[1], _ended_key(fact.task_id), fact.id)
            pipeline.execute()

    def forget_end(self, task_id: UUID) -> None:
        """Wake nobody any more by an end that a resumption has undone."""
        with translated_errors():
            self._redis.delete(_ended_key(task_id))

    def watch(self, task_id: UUID, *, only_end: bool = False) -> bool:
        """Have events of a task (or its end only) told here for two minutes from now on; say if they were already."""
        with translated_errors():
            return bool(self._watch(keys=[WATCHED], args=[_member(task_id, only_end), WATCHED_S]))

    def _call_publish(self, calls: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Run the script once for each call, in one round trip, and return the calls for which it is not known."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for call in calls:
                pipeline.evalsha(self._publish_sha, 3, *call)
            replies = pipeline.execute(raise_on_error=False)
        for reply in replies:
            if isinstance(reply, Exception) and not isinstance(reply, redis.exceptions.NoScriptError):
                raise reply
        return [call for call, reply in zip(calls, replies, strict=True) if isinstance(reply, Exception)]

    def outdate(self, task_ids: Sequence[UUID]) -> None:
        """Drop cached views that may lack an event; what a stream lacks, its readers notice."""
        with translated_errors(), self._redis.pipeline(transaction=False) as pipeline:
            for task_id in task_ids:
                pipeline.hdel(_keys(task_id)[1], "body")
            pipeline.execute()

    def read(self, task_id: UUID, cursor: str | None, *, wait_s: float) -> EventPage | None:
        """Return the events after `cursor`, waiting up to `wait_s` for one; None when there is no stream here.

        A cursor from a stream that has since been lost and rebuilt starts from the beginning again.
        """
        stream, view = _keys(task_id)
        asked_epoch, position = _parse_cursor(cursor)
        with translated_errors():
            epoch, ended, entries = self._snapshot(stream, view, asked_epoch, position)
            if epoch is None:
                return None
            start = position if asked_epoch == epoch else "0-0"
            waits = not entries and wait_s > 0 and not ended
            # Rounded up: to block for 0 ms is to block for ever.
            if waits and self._patient.xread({stream: start}, count=1, block=ceil(wait_s * 1000)):
                # What woke us may be in a stream that is just being rebuilt, and lacks what came before.
                return self.read(task_id, _cursor(epoch, start), wait_s=0)
        facts = sorted((_fact(task_id, entry[1][b"event"]) for entry in entries), key=lambda fact: fact.id)
        events = [cloudevent.of_fact(fact) for fact in facts]
        end = entries[-1][0].decode() if entries else start
        return EventPage(events, _cursor(epoch, end), ended)

    def wait_for_end(self, task_id: UUID, wait_s: float) -> bool:
        """Wait up to `wait_s` until the end of a task is told, and say whether it was; every waiter is woken.

        An end that was told since the task was watched is seen, whether before or while we wait.
        """
        with translated_errors():
            return bool(self._patient.xread({_ended_key(task_id): "0-0"}, count=1, block=ceil(wait_s * 1000)))

    def length(self, task_id: UUID) -> int:
        """Return how many events a task's stream holds."""
        with translated_errors():
            return int(self._redis.xlen(_keys(task_id)[0]))

    def begin_rebuild(self, task_id: UUID) -> None:
        """Have events kept from now on, though there is no stream: what the log is too old for is then not lost."""
        with translated_errors():
            self._begin_rebuild(keys=_keys(task_id))

    def rebuild(self, task_id: UUID, facts: Sequence[Fact]) -> None:
        """Put a lost stream back from the log, which was read after `begin_rebuild`; or, where there is a stream,
        append the events that it lacks.
        """
        with translated_errors():
            self._rebuild(keys=_keys(task_id), args=[uuid4().hex, *_arguments(facts)])

    def view(self, task_id: UUID, *, only_end: bool = False) -> tuple[dict[str, Any] | None, int]:
        """Return the cached view, or None, and the version that a new one must be kept under.

        The task is watched from then on, so that an event outdates what is kept; or its end only, by who keeps nothing.
        """
        with translated_errors():
            try:
                (body, until, of_version, version), now = self._look(task_id, only_end)
            except redis.exceptions.NoScriptError:
                self.watch(task_id, only_end=only_end)  # which has Redis know the script
                (body, until, of_version, version), now = self._look(task_id, only_end)
        fresh = body is not None and int(until) >= now and of_version == (version or b"0")
        return (loads(body) if fresh else None), int(version or 0)

    def keep_view(self, task_id: UUID, body: bytes, version: int, *, ended: bool) -> None:
        """Cache a view (JSON) read from Postgres after `view` returned `version`, unless an event came between."""
        with translated_errors():
            until = self._redis.time()[0] + (AFTER_END_S if ended else RUNNING_VIEW_S)
            self._keep_view(keys=[_keys(task_id)[1]], args=[version, body, until, AFTER_END_S])

    def _look(self, task_id: UUID, only_end: bool) -> tuple[list[Any], int]:
        """Watch a task and return what is kept of its view, and the time (seconds since 1970), in one round trip."""
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.evalsha(self._watch.sha, 1, WATCHED, _member(task_id, only_end), WATCHED_S)
            pipeline.hmget(_keys(task_id)[1], ["body", "body_until", "body_version", "version"])
            pipeline.time()
            _, kept, (now, _) = pipeline.execute()
        return kept, now

    def _snapshot(self, stream: str, view: str, asked_epoch: str, position: str) -> Any:
        """Return the stream's epoch (None: there is no whole stream), whether its task has ended, and the entries."""
        with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hmget(view, ["epoch", "ended", "resumed"])
            pipeline.exists(stream)
            pipeline.xrange(stream, min=f"({position}")
            (epoch, ended, resumed), there, entries = pipeline.execute()
        if epoch is None or not there:
            return None, False, []
        if epoch.decode() != asked_epoch:
            return self._snapshot(stream, view, epoch.decode(), "0-0")
        return epoch.decode(), int(ended or 0) > int(resumed or 0), entries


def _member(task_id: UUID, only_end: bool) -> bytes:
    return task_id.bytes + b"e" if only_end else task_id.bytes


def _keys(task_id: UUID) -> list[str]:
    begin = f"task:{{{task_id}}}:"
    return [begin + "events", begin + "view"]


def _ended_key(task_id: UUID) -> str:
    return f"task:{{{task_id}}}:ended"


def _arguments(facts: Sequence[Fact]) -> list[Any]:
    """Return what scripts take of events: the ids of the last end and of the last resumption, then each event."""
    events = sorted((event for fact in facts for event in fact.each()), key=lambda event: event.id)
    ended = [event.id for event in events if event.event in ENDS]
    resumed = [event.id for event in events if event.event == RERUN]
    return [*(ids[-1] if ids else 0 for ids in (ended, resumed)), *map(_entry, events)]


def _entry(fact: Fact) -> bytes:
    """Return an event as a stream holds it: short, because it is written often and read by few; first its id."""
    micros = (fact.created_at - EPOCH) // MICROSECOND
    return dumps([fact.id, fact.stage, fact.event, fact.attempt, fact.text, micros])


def _fact(task_id: UUID, entry: bytes) -> Fact:
    number, stage, event, attempt, text, micros = loads(entry)
    return Fact(number, task_id, stage, event, attempt, text, EPOCH + micros * MICROSECOND)


def _cursor(epoch: str, position: str) -> str:
    return base64.urlsafe_b64encode(f"{epoch}:{position}".encode()).decode().rstrip("=")


def _parse_cursor(cursor: str | None) -> tuple[str, str]:
    if not cursor or cursor.startswith("pg."):  # none, or one given out while Redis was away
        return "", "0-0"
    try:
        epoch, position = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().split(":")
        first, second = position.split("-")
        if not 0 <= int(first) < MAX_POSITION or not 0 <= int(second) < MAX_POSITION:
            raise ValueError("no position in a stream")
        return epoch, f"{int(first)}-{int(second)}"
    except (ValueError, binascii.Error, UnicodeDecodeError):
        fault = Fault("after", "not a cursor of this API; leave it out to start from the first event")
        raise InvalidInput("the cursor is not valid", faults=(fault,)) from None
