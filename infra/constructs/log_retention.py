"""Days of log retention as CloudWatch knows them."""

from aws_cdk import aws_logs as logs

_DAYS = {
    1: logs.RetentionDays.ONE_DAY,
    7: logs.RetentionDays.ONE_WEEK,
    14: logs.RetentionDays.TWO_WEEKS,
    30: logs.RetentionDays.ONE_MONTH,
    90: logs.RetentionDays.THREE_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
}


def retention(days: int) -> logs.RetentionDays:
    """Return the retention of so many days. Raises ValueError for a number that CloudWatch does not take."""
    if days not in _DAYS:
        raise ValueError(f"logs are kept for one of {', '.join(map(str, _DAYS))} days, not {days}")
    return _DAYS[days]
