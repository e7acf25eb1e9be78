"""Floods: of a project that submits more than its share at once, what is too much takes the lane for bulk work.

Each project has a bucket of tokens in Redis, one for each task of medium priority, which fills up again in WINDOW_S.
So a flood keeps itself in the bulk lane's queues, and single tasks of other projects find the standard lane free.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import redis

from steersman.cache.connection import translated_errors
from steersman.errors import Unavailable
from steersman.tasks.words import Lane

WINDOW_S = 10

# KEYS: a project's bucket each. ARGV: how many tokens a bucket holds, ms in which it fills, then how many are asked
# for from each. Returns how many each gave.
_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local size, window, given = tonumber(ARGV[1]), tonumber(ARGV[2]), {}
for i, key in ipairs(KEYS) do
  local known = redis.call('HMGET', key, 'left', 'at')
  local left = size
  if known[1] then left = math.min(size, known[1] + math.max(0, now - known[2]) * size / window) end
  given[i] = math.min(tonumber(ARGV[i + 2]), math.floor(left))
  redis.call('HSET', key, 'left', left - given[i], 'at', now)
  redis.call('PEXPIRE', key, window)
end
return given
"""


class Flood:
    """Says which tasks keep the standard lane: of each project `tasks` at once, and as many in every WINDOW_S."""

    def __init__(self, client: redis.Redis, *, tasks: int) -> None:
        self._take = client.register_script(_TAKE)
        self._tasks = tasks

    def lanes(self, wanted: Sequence[tuple[UUID, Lane]]) -> list[Lane]:
        """Return the lane of each task by its project and the lane of its priority: that lane, or BULK.

        One round trip, and none where nobody asks for the standard lane. Without Redis every task keeps its lane.
        """
        asked: dict[UUID, int] = {}
        for project_id, lane in wanted:
            if lane is Lane.STANDARD:
                asked[project_id] = asked.get(project_id, 0) + 1
        left = self._given(asked) if asked else {}
        lanes = []
        for project_id, lane in wanted:
            if lane is Lane.STANDARD and project_id in left:
                left[project_id] -= 1
                lane = lane if left[project_id] >= 0 else Lane.BULK
            lanes.append(lane)
        return lanes

    def _given(self, asked: Mapping[UUID, int]) -> dict[UUID, int]:
        keys = [f"{{steersman:flood}}:{project_id}" for project_id in asked]
        try:
            with translated_errors():
                given: Any = self._take(keys=keys, args=[self._tasks, WINDOW_S * 1000, *asked.values()])
        except Unavailable:
            return {}
        return dict(zip(asked, map(int, given), strict=True))
