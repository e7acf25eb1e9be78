"""The Celery application: one task for each stage."""

import os
from typing import Any

from celery import Celery  # type: ignore[import-not-found]

from bench.peers.protocol import Document, run_stage

_REDIS = os.environ["PEER_REDIS_URL"]

app = Celery("research", broker=_REDIS, backend=_REDIS)
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=64,
    worker_disable_rate_limits=True,
    worker_enable_remote_control=False,
    broker_transport_options={"priority_steps": [0]},
)


def _task(stage: str, **options: Any) -> Any:
    def run(given: Document | list[Document]) -> Document:
        return run_stage(stage, *(given if isinstance(given, list) else [given]))

    return app.task(run, name=stage, **options)


intent = _task("intent", ignore_result=True)
embedding = _task("embedding")
websearch = _task("websearch")
executor = _task("executor", ignore_result=True)
moderator = _task("moderator", ignore_result=True)
response = _task("response")
