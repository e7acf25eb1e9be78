"""Rate limits by caller: a sliding window in Redis (the `limits` library); without Redis, one per instance."""

import time
from dataclasses import dataclass

import redis
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from steersman.errors import RateLimited

WINDOW_S = 60


@dataclass(frozen=True)
class Standing:
    """Where a caller stands: how much of the window's limit is left, and when it is whole again."""

    limit: int
    remaining: int
    reset_s: int

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
        self._shared = SlidingWindowCounterRateLimiter(RedisStorage(redis_url))
        self._own = SlidingWindowCounterRateLimiter(MemoryStorage())

    def hit(self, caller: str) -> Standing:
        """Count a request of `caller` and return where it stands; raise RateLimited when it is over the limit."""
        try:
            allowed, standing = self._hit(self._shared, caller)
        except redis.RedisError:
            allowed, standing = self._hit(self._own, caller)
        if not allowed:
            raise RateLimited(
                f"more than {standing.limit} requests in a minute; wait {standing.reset_s} s",
                retry_after_s=standing.reset_s,
            )
        return standing

    def _hit(self, limiter: SlidingWindowCounterRateLimiter, caller: str) -> tuple[bool, Standing]:
        allowed = limiter.hit(self._item, caller)
        window = limiter.get_window_stats(self._item, caller)
        reset_s = max(1, int(window.reset_time - time.time()) + 1)
        return allowed, Standing(self._item.amount, max(0, window.remaining), min(reset_s, WINDOW_S))
