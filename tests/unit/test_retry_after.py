"""What an answer's Retry-After asks for."""

import pytest

from steersman.retry_after import retry_after_s


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None), ("", None), ("soon", None), ("-1", None), ("1.5", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("0", 0), ("7", 7), ("604800", 604_800), ("1900000000", 604_800),
        ("9" * 5000, 604_800),
    ],
)  # fmt: skip
def test_seconds_are_read_and_bounded(header: str | None, seconds: int | None) -> None:
    """Seconds are taken up to a week, however long the number; dates and all else ask for nothing."""
    assert retry_after_s(header) == seconds
