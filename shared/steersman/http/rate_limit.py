"""Rate limits by caller: a sliding window in Redis (the `limits` library); without Redis, one per instance."""

import time
from dataclasses import dataclass
from typing import Any

import redis
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from steersman.errors import RateLimited

WINDOW_S = 60
_TIMEOUTS: Any = {"socket_connect_timeout": 2, "socket_timeout": 2}  # a limit is not worth a longer wait


@dataclass(frozen=True)
class Standing:
    """Where a caller stands: how much of the window's limit is left, and when it is whole again."""

    limit: int
    remaining: int
    reset_s: int
    allowed: bool = True

    def check(self) -> None:
        """Raise RateLimited when the caller is over its limit."""
        if not self.allowed:
            raise RateLimited(
                f"more than {self.limit} requests in a minute; wait {self.reset_s} s",
                retry_after_s=self.reset_s,
            )

    def headers(self) -> dict[str, str]:
        """Return the RateLimit headers (draft-ietf-httpapi-ratelimit-headers-10)."""
        return {
            "ratelimit-policy": f'"default";q={self.limit};w={WINDOW_S}',
            "ratelimit": f'"default";r={self.remaining};t={self.reset_s}',
        }


class RateLimiter:
    """Allows each caller `per_minute` requests in any minute."""

    def __init__(self, redis_url: str, per_minute: int) -> None:
        self._item = RateLimitItemPerMinute(per_minute)
        self._shared = SlidingWindowCounterRateLimiter(RedisStorage(redis_url, **_TIMEOUTS))
        self._own = SlidingWindowCounterRateLimiter(MemoryStorage())

    def hit(self, caller: str) -> Standing:
        """Count a request of `caller` and return where it stands."""
        try:
            return self._hit(self._shared, caller)
        except redis.RedisError:
            return self._hit(self._own, caller)

    def _hit(self, limiter: SlidingWindowCounterRateLimiter, caller: str) -> Standing:
        allowed = limiter.hit(self._item, caller)
        window = limiter.get_window_stats(self._item, caller)
        reset_s = max(1, int(window.reset_time - time.time()) + 1)
        return Standing(self._item.amount, max(0, window.remaining), min(reset_s, WINDOW_S), allowed)
