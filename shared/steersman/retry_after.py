"""What an answer's Retry-After asks for."""

LONGEST_S = 604_800  # a week; servers have been seen to answer with times of day in seconds since 1970


def retry_after_s(header: str | None) -> int | None:
    """Return the seconds that `Retry-After` asks for, a week at most; None where it says none, or a date."""
    if not header or not header.isdecimal():
        return None
    return min(int(header[:10]), LONGEST_S)
