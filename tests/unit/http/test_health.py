"""Health: what is asked, and what the answers come to."""

from collections.abc import Mapping
from typing import Any

import pytest

from steersman.errors import Unavailable
from steersman.http.health import Health, answer


def well() -> Mapping[str, Any]:
    return {"found": 1}


def down() -> Mapping[str, Any]:
    raise Unavailable("gone")


def degraded() -> Mapping[str, Any]:
    return {"status": "degraded"}


@pytest.mark.parametrize(
    ("database", "cache", "queues", "status", "http"),
    [
        (well, well, well, "ok", 200),
        (down, well, well, "down", 503),
        (well, down, well, "degraded", 200),
        (well, well, down, "down", 503),
        (well, well, degraded, "degraded", 200),
        (down, down, well, "down", 503),
        (well, down, degraded, "degraded", 200),
    ],
)
def test_the_whole_is_as_well_as_what_it_needs(
    database: Any, cache: Any, queues: Any, status: str, http: int
) -> None:
    """Without the database or the queues all is down; without the cache it works with less."""
    view = Health(database=database, cache=cache, queues=queues, llm=well).all()
    assert (view.status, answer(view).status_code) == (status, http)
    assert set(view.checks) == {"database", "cache", "queues"}


def test_a_part_alone_is_down_when_it_is_down() -> None:
    """A part's own route says down, also for the cache, with the reason and the time that asking took."""
    health = Health(database=well, cache=down, queues=degraded, llm=down)
    assert health.database().status == "ok"
    assert health.queues().status == "degraded"
    assert health.llm().status == "down"
    view = health.cache()
    assert answer(view).status_code == 503
    assert view.checks["cache"]["reason"] == "gone"
    assert view.checks["cache"]["duration_ms"] >= 0
