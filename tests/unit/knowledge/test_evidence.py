"""Credibility: from 0 to 1, and always with its reason."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from steersman.knowledge.evidence import Credibility, credibility

NOW = datetime(2026, 11, 21, tzinfo=UTC)
BASE: dict[str, Any] = {
    "kind": "document", "source_uri": "package:x", "match": 0.8, "agreeing": 0, "dated_at": NOW, "now": NOW,
}  # fmt: skip


def believed(**kwargs: Any) -> Credibility:
    return credibility(**{**BASE, **kwargs})


@given(
    kind=st.sampled_from(["document", "web"]),
    source_uri=st.sampled_from(["package:x", "https://e.org", "http://e.org", "nonsense"]),
    match=st.floats(-1, 2),
    agreeing=st.integers(0, 50),
    age=st.one_of(st.none(), st.integers(-10, 20_000)),
)
def test_credibility_is_a_share_with_a_reason(
    kind: str, source_uri: str, match: float, agreeing: int, age: int | None
) -> None:
    """Whatever the source, its credibility lies between 0 and 1 in hundredths, and every part of it is named."""
    dated_at = NOW - timedelta(days=age) if age is not None else None
    one = believed(kind=kind, source_uri=source_uri, match=match, agreeing=agreeing, dated_at=dated_at)
    assert Decimal(0) <= one.value <= Decimal(1)
    assert one.value == round(one.value, 2)
    assert one.reason.count(";") == 3


def test_what_speaks_for_a_source_raises_it() -> None:
    """Own documents, secure pages, strong matches, agreement and freshness each raise credibility."""
    web = {"kind": "web", "source_uri": "https://e.org"}
    assert believed().value > believed(**web).value > believed(**{**web, "source_uri": "http://e.org"}).value
    assert believed(match=0.9).value > believed(match=0.1).value
    assert believed(agreeing=2).value > believed(agreeing=1).value > believed().value
    years = [believed(dated_at=NOW - timedelta(days=365 * age)).value for age in (0, 3, 7)]
    assert years == sorted(set(years), reverse=True)


def test_the_reason_adds_up() -> None:
    """The reason tells the parts that the figure is the sum of, in words."""
    one = believed(agreeing=1)
    assert one == Credibility(
        Decimal("0.87"),
        "document of this project (0.70); strong match with the question (+0.12); agrees with 1 other source (+0.05); "
        "current on 2026-11-21 (+0.00)",
    )


def test_a_time_without_zone_is_taken_as_utc() -> None:
    """A date that names no zone does not stop the judgement."""
    assert believed(dated_at=datetime(2020, 1, 1)).reason.endswith("more than five years ago (-0.20)")  # noqa: DTZ001
