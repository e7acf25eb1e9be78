"""The questions that health checks put to the stores; each raises Unavailable when there is no answer."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import redis

from steersman.cache.connection import translated_errors
from steersman.db import probe_store
from steersman.db.connection import Database
from steersman.errors import Unavailable
from steersman.tasks.words import Lane, Queue


def database(connection: Database) -> dict[str, Any]:
    """Return the server's version and the schema's revision."""
    return probe_store.state(connection)


def cache(client: redis.Redis) -> dict[str, Any]:
    """Return the server's version and the memory it uses, where it tells."""
    with translated_errors():
        client.ping()
        try:
            found: Any = client.info("server")
        except redis.ResponseError:
            found = {}  # ElastiCache Serverless keeps some of it to itself
    return {"server": found.get("redis_version")}


def queues(client: Any, prefix: str, lanes: Sequence[Lane]) -> dict[str, Any]:
    """Return waiting, running and delayed jobs of each stage queue and lane, and its dead letters.

    `degraded` means that dead letters wait to be looked at.
    """
    names = [f"{queue}-{lane}" for queue in Queue for lane in (*lanes, "dead")]
    with ThreadPoolExecutor(8) as pool:
        depths = dict(zip(names, pool.map(lambda name: _depth(client, prefix + name), names), strict=True))
    dead = sum(depth["waiting"] for name, depth in depths.items() if name.endswith("-dead"))
    return {"status": "degraded" if dead else "ok", "dead_letters": dead, "queues": depths}


def _depth(client: Any, url: str) -> dict[str, int]:
    from botocore.exceptions import BotoCoreError, ClientError

    names = {
        "waiting": "ApproximateNumberOfMessages",
        "in_hand": "ApproximateNumberOfMessagesNotVisible",
        "delayed": "ApproximateNumberOfMessagesDelayed",
    }
    try:
        found = client.get_queue_attributes(QueueUrl=url, AttributeNames=list(names.values()))["Attributes"]
    except (BotoCoreError, ClientError) as exc:
        raise Unavailable(f"the queue {url.rpartition('/')[2]} does not answer") from exc
    return {name: int(found.get(attribute, 0)) for name, attribute in names.items()}
