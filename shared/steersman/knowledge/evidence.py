"""How far a source can be believed: a credibility from 0.0 to 1.0 with its reason. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal
from urllib.parse import urlsplit

DOCUMENT = Decimal("0.70")
WEB_SECURE = Decimal("0.50")
WEB_OPEN = Decimal("0.40")
MATCH_SHARE = Decimal("0.15")
AGREEMENT = Decimal("0.05")
MAX_AGREEING = 2
OLD_AFTER_DAYS = 2 * 365
STALE_AFTER_DAYS = 5 * 365
CENT = Decimal("0.01")


@dataclass(frozen=True)
class Credibility:
    """A credibility in hundredths and, in words, the parts that it was summed from."""

    value: Decimal
    reason: str


def credibility(
    *,
    kind: Literal["document", "web"],
    source_uri: str,
    match: float,
    agreeing: int,
    dated_at: datetime | None,
    now: datetime,
) -> Credibility:
    """Return how far a source of an answer can be believed.

    `match` (0 to 1) is how well its passage fits the question, `agreeing` counts the other sources that say the same,
    `dated_at` is when it was last known to be current. A document that people put into their project starts at 0.70,
    a page of the web at 0.50 (0.40 over plain HTTP).
    """
    parts = [
        _origin(kind, source_uri),
        _match(match),
        _agreement(agreeing),
        _age(kind, dated_at, now),
    ]
    value = min(Decimal("0.99"), max(Decimal("0.05"), sum((amount for amount, _ in parts), Decimal(0))))
    reasons = (
        f"{words} ({amount if not number else format(amount, '+')})"
        for number, (amount, words) in enumerate(parts)
    )
    return Credibility(value.quantize(CENT), "; ".join(reasons))


def _origin(kind: Literal["document", "web"], source_uri: str) -> tuple[Decimal, str]:
    if kind == "document":
        return DOCUMENT, "document of this project"
    if urlsplit(source_uri).scheme == "https":
        return WEB_SECURE, "web page over HTTPS"
    return WEB_OPEN, "web page over plain HTTP"


def _match(match: float) -> tuple[Decimal, str]:
    amount = (MATCH_SHARE * Decimal(str(min(1.0, max(0.0, match))))).quantize(CENT, ROUND_HALF_UP)
    strength = "strong" if match >= 0.7 else "fair" if match >= 0.4 else "weak"
    return amount, f"{strength} match with the question"


def _agreement(agreeing: int) -> tuple[Decimal, str]:
    if agreeing <= 0:
        return Decimal("0.00"), "no other source says the same"
    return AGREEMENT * min(
        agreeing, MAX_AGREEING
    ), f"agrees with {agreeing} other source{'s' if agreeing > 1 else ''}"


def _age(kind: Literal["document", "web"], dated_at: datetime | None, now: datetime) -> tuple[Decimal, str]:
    if dated_at is None:
        return (Decimal("-0.05") if kind == "web" else Decimal("0.00")), "undated"
    moment = dated_at if dated_at.tzinfo else dated_at.replace(tzinfo=UTC)
    days = (now - moment).days
    words = f"current on {moment.date().isoformat()}"
    if days > STALE_AFTER_DAYS:
        return Decimal("-0.20"), f"{words}, more than five years ago"
    if days > OLD_AFTER_DAYS:
        return Decimal("-0.10"), f"{words}, more than two years ago"
    return Decimal("0.00"), words
