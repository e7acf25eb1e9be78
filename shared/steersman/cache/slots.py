"""Counted places: at most so many at once of what one name bounds, across all workers.

  {steersman:slots}:waited          set of the names for which something waits
  {steersman:slots}:held:{name}     sorted set of holders by the time (ms) until which their place is theirs
  {steersman:slots}:waiting:{name}  sorted set of what waits, by rank and then by time; it says what is to be told

A place that becomes free is kept for what waits longest, for RESERVED_S: it is on its way to a worker then. A holder
that falls silent loses its place when its time is over. Everything may vanish at any moment: then limits are exceeded
for as long as those that run do, and who waits must be sent again by somebody else (the sweep).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import redis

from steersman.cache.connection import translated_errors
from steersman.json import dumps_text

RESERVED_S = 30
WAITING_S = 86_400  # what waits is forgotten a day after anything came to wait for the same
NO_LIMIT = 2**31

_TAG = "{steersman:slots}"

# KEYS: waited, then held and waiting of each name. ARGV: JSON, whose `most` has the limit of each name.
_SHARED = """
local given = cjson.decode(ARGV[1])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function held(n) return KEYS[2 * n] end
local function waiting(n) return KEYS[2 * n + 1] end
local function room_of(n)
  redis.call('ZREMRANGEBYSCORE', held(n), '-inf', now)
  return given.most[n] - redis.call('ZCARD', held(n))
end
local function hold(n, holder, ms)
  local added = redis.call('ZADD', held(n), now + ms, holder)
  if redis.call('PTTL', held(n)) < ms then redis.call('PEXPIRE', held(n), ms) end
  return added
end
"""

# `asks`: each {holder, {ways}}, a way being the places (numbers of names) that are needed together. Returns for each
# the number of the first way whose places are free, or its own; or minus the number of the first name that is full.
_TAKE = (
    _SHARED
    + """
local room, answers = {}, {}
for n in ipairs(given.most) do room[n] = room_of(n) end
local function fits(way, holder)
  for _, n in ipairs(way) do
    if room[n] <= 0 and not redis.call('ZSCORE', held(n), holder) then return false, n end
  end
  return true
end
for i, ask in ipairs(given.asks) do
  local holder, ways, chosen, full = ask[1], ask[2], nil, nil
  for w, way in ipairs(ways) do
    local free, n = fits(way, holder)
    if free then chosen = w break end
    full = full or n
  end
  local needed = {}
  for _, n in ipairs(ways[chosen] or {}) do
    needed[n] = true
    room[n] = room[n] - hold(n, holder, given.hold_ms)
  end
  for _, way in ipairs(ways) do
    for _, n in ipairs(way) do
      if not needed[n] then room[n] = room[n] + redis.call('ZREM', held(n), holder) end
    end
  end
  answers[i] = chosen or -full
end
return answers
"""
)

# `left`: each {number of a name, holder} that gives its place back. `comes`: each {number of a name, rank, holder,
# told} that waits from now on. Returns {holder, told} of each that got a place, which is kept for it.
_SETTLE = (
    _SHARED
    + """
local names, kept_ms, waiting_s, free = given.names, given.kept_ms, given.waiting_s, {}
for _, one in ipairs(given.left) do redis.call('ZREM', held(one[1]), one[2]) end
for _, one in ipairs(given.comes) do
  redis.call('ZADD', waiting(one[1]), 'NX', one[2] * 1e13 + now, one[3] .. '|' .. one[4])
  redis.call('EXPIRE', waiting(one[1]), waiting_s)
  redis.call('SADD', KEYS[1], names[one[1]])
end
for n in ipairs(given.most) do
  local room = room_of(n)
  while room > 0 do
    local first = redis.call('ZPOPMIN', waiting(n))[1]
    if not first then break end
    local holder, told = string.match(first, '^([^|]*)|(.*)$')
    room = room - hold(n, holder, kept_ms)
    free[#free + 1] = {holder, told}
  end
  if redis.call('EXISTS', waiting(n)) == 0 then redis.call('SREM', KEYS[1], names[n]) end
end
return free
"""
)


class Ask(NamedTuple):
    """A place asked for: the first of `ways` that is free; each is the names whose places are needed together."""

    holder: str
    ways: Sequence[Sequence[str]]


class Waiter(NamedTuple):
    """What waits for a place of `name`, lower ranks first: for `holder` (without a |), of which `told` is said."""

    name: str
    rank: int
    holder: str
    told: str


class Slots:
    """The places in Redis. `most` is always the limit of every name that a call is about; each is one round trip.

    Every method raises Unavailable when Redis does not answer.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._take = client.register_script(_TAKE)
        self._settle = client.register_script(_SETTLE)

    def take(self, asks: Sequence[Ask], most: Mapping[str, int], *, hold_s: float) -> list[int | str]:
        """Take places for `hold_s`, or keep those held; return for each the way granted (from 0), or what is full.

        A refused holder keeps no place: call `settle` with the same names, which gives it to who waits.
        """
        number = _numbers(most)
        asked = [(ask.holder, [[number[name] for name in way] for way in ask.ways]) for ask in asks]
        answers = self._call(self._take, most, {"asks": asked, "hold_ms": int(hold_s * 1000)})
        names = list(most)
        return [answer - 1 if answer > 0 else names[-answer - 1] for answer in answers]

    def settle(
        self,
        most: Mapping[str, int],
        *,
        left: Sequence[tuple[str, str]] = (),
        comes: Sequence[Waiter] = (),
    ) -> list[tuple[str, str]]:
        """Give back places (name, holder), have others wait, and return (holder, told) of who gets what is free now.

        The caller must send those on their way: nobody else is told of them.
        """
        number = _numbers(most)
        given = {
            "names": list(most),
            "left": [(number[name], holder) for name, holder in left],
            "comes": [(number[name], rank, holder, told) for name, rank, holder, told in comes],
            "kept_ms": RESERVED_S * 1000,
            "waiting_s": WAITING_S,
        }
        return [(holder.decode(), told.decode()) for holder, told in self._call(self._settle, most, given)]

    def waited(self) -> list[str]:
        """Return the names for which something waits."""
        with translated_errors():
            found: Any = self._redis.smembers(f"{_TAG}:waited")
        return sorted(name.decode() for name in found)

    def _call(self, script: Any, most: Mapping[str, int], given: Mapping[str, Any]) -> Any:
        keys = [f"{_TAG}:waited"]
        for name in most:
            keys += [f"{_TAG}:held:{name}", f"{_TAG}:waiting:{name}"]
        with translated_errors():
            return script(keys=keys, args=[dumps_text({**given, "most": list(most.values())})])


def _numbers(most: Mapping[str, int]) -> dict[str, int]:
    return {name: number for number, name in enumerate(most, start=1)}
