"""Health over HTTP, well and not."""

import pytest

from steersman.cache.connection import connect
from tests.fixtures import absent
from tests.fixtures.functions import Functions


@pytest.mark.parametrize("path", ["", "/database", "/cache", "/queues", "/llm"])
def test_everything_is_well(functions: Functions, path: str) -> None:
    """With all servers there each route is 200 and ok, with what it found."""
    answer = functions.http("GET", f"/v1/health{path}")
    assert (answer.status, answer.json["status"]) == (200, "ok"), answer.text
    assert answer.headers["content-type"] == "application/health+json"
    assert all(check["duration_ms"] >= 0 for check in answer.json["checks"].values())


def test_the_database_is_down(functions: Functions) -> None:
    """Without Postgres the whole and its own route are 503 and name it, and tell no address."""
    functions.lose_database()
    for path in ("", "/database"):
        answer = functions.http("GET", f"/v1/health{path}")
        assert (answer.status, answer.json["checks"]["database"]["status"]) == (503, "down")
        assert "127.0.0.1" not in answer.text
    assert functions.http("GET", "/v1/health/cache").status == 200


def test_the_cache_is_down(functions: Functions) -> None:
    """Without Redis the whole is degraded, which is 200, and its own route is 503."""
    functions.parts.redis = connect(absent.redis_url())
    whole = functions.http("GET", "/v1/health")
    assert (whole.status, whole.json["status"]) == (200, "degraded")
    assert functions.http("GET", "/v1/health/cache").status == 503


def test_a_queue_is_gone(functions: Functions) -> None:
    """A queue that does not answer is down, by name."""
    functions.sqs.delete_queue(QueueUrl=f"{functions.parts.settings.queue_prefix}executor-standard")
    answer = functions.http("GET", "/v1/health/queues")
    assert answer.status == 503
    assert "executor-standard" in answer.json["checks"]["queues"]["reason"]


def test_queues_show_their_depth_and_dead_letters_degrade(functions: Functions) -> None:
    """Waiting jobs are counted by queue and lane; dead letters are told and make the queues degraded."""
    functions.http("POST", "/v1/tasks", {"input": {"question": "why?"}, "priority": "low"})
    queues = functions.http("GET", "/v1/health/queues").json["checks"]["queues"]
    assert queues["queues"]["intent-bulk"]["waiting"] == 1
    assert queues["dead_letters"] == 0
    functions.sqs.send_message(
        QueueUrl=f"{functions.parts.settings.queue_prefix}agent-dead", MessageBody="{}"
    )
    answer = functions.http("GET", "/v1/health/queues")
    assert (answer.status, answer.json["status"]) == (200, "degraded")
    assert answer.json["checks"]["queues"]["dead_letters"] == 1
