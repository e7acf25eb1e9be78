"""Where a caller stands, and what happens over the limit."""

import pytest

from steersman.errors import RateLimited
from steersman.http.rate_limit import Standing


def test_the_headers_tell_policy_and_standing() -> None:
    """RateLimit-Policy names the quota and the window, RateLimit what is left and when it is whole again."""
    assert Standing(limit=60, remaining=12, reset_s=30).headers() == {
        "ratelimit-policy": '"default";q=60;w=60',
        "ratelimit": '"default";r=12;t=30',
    }


def test_over_the_limit_the_caller_is_told_how_long_to_wait() -> None:
    """A standing that is not allowed raises with the seconds to wait; one that is raises nothing."""
    Standing(limit=60, remaining=0, reset_s=9).check()
    with pytest.raises(RateLimited) as caught:
        Standing(limit=60, remaining=0, reset_s=9, allowed=False).check()
    assert caught.value.retry_after_s == 9
