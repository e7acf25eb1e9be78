"""The Dramatiq actors, one for each stage, and the join that Dramatiq does not have."""

import json
import os
from collections.abc import Callable
from typing import Any

import redis
from dramatiq import Message, actor, set_broker  # type: ignore[import-not-found]
from dramatiq.brokers.redis import RedisBroker  # type: ignore[import-not-found]
from dramatiq.results import Results  # type: ignore[import-not-found]
from dramatiq.results.backends import RedisBackend  # type: ignore[import-not-found]

from bench.peers.protocol import LIMIT_S, Document, run_stage

_REDIS = os.environ["PEER_REDIS_URL"]
_JOIN_KEPT_S = 3600

_outputs = redis.Redis.from_url(_REDIS)
_broker = RedisBroker(url=_REDIS)
# Waiting for a result blocks for longer than redis-py's own limit for an answer.
_broker.add_middleware(Results(backend=RedisBackend(url=f"{_REDIS}?socket_timeout={LIMIT_S}")))
set_broker(_broker)


def _actor(stage: str, pass_on: Callable[[Document, Document], None]) -> Any:
    def run(given: Document, last: Document) -> None:
        pass_on(run_stage(stage, given), last)

    return actor(run, actor_name=stage)


def _run_executor(embedded: Document, found: Document, last: Document) -> None:
    moderator.send(run_stage("executor", embedded, found), last)


def _run_response(given: Document) -> Document:
    return run_stage("response", given)


def _both(told: Document, last: Document) -> None:
    embedding.send(told, last)
    websearch.send(told, last)


def _join(stage: str) -> Callable[[Document, Document], None]:
    """Return what keeps a branch's output; who comes second starts the executor."""

    def meet(told: Document, last: Document) -> None:
        key = f"join:{last['message_id']}"
        with _outputs.pipeline() as pipe:
            pipe.hset(key, stage, json.dumps(told))
            pipe.expire(key, _JOIN_KEPT_S)
            pipe.hgetall(key)
            there = {name.decode(): json.loads(output) for name, output in pipe.execute()[-1].items()}
        if len(there) == 2:
            executor.send(there["embedding"], there["websearch"], last)

    return meet


def _respond(told: Document, last: Document) -> None:
    _broker.enqueue(Message(**{**last, "args": (told,)}))


intent = _actor("intent", _both)
embedding = _actor("embedding", _join("embedding"))
websearch = _actor("websearch", _join("websearch"))
executor = actor(_run_executor, actor_name="executor")
moderator = _actor("moderator", _respond)
response = actor(_run_response, actor_name="response", store_results=True)
