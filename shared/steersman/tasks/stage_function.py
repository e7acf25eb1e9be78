"""A stage queue's Lambda function: an SQS batch in, the ids of failed messages out."""

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any, Protocol

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from steersman.errors import Unavailable
from steersman.logs import Logger
from steersman.tasks.engine import Engine, Message, Report


class StageParts(Protocol):
    """What a stage function is made of."""

    @property
    def engine(self) -> Engine: ...

    @property
    def logger(self) -> Logger: ...


class StageFunction:
    """The Lambda handler of a stage queue; `parts` is called at the first batch, not at import."""

    def __init__(self, queue: str, parts: Callable[[], StageParts]) -> None:
        self._queue = queue
        self._parts = parts

    def __call__(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Do a batch; answer with the messages that must be delivered again (partial batch response)."""
        parts = self._parts()
        parts.logger.begin(queue=self._queue)
        began = perf_counter()
        messages = [_message(record, self._queue) for record in event["Records"]]
        try:
            report = parts.engine.run(messages, lambda: context.get_remaining_time_in_millis() / 1000)
        except Unavailable as exc:
            parts.logger.error("the whole batch is to be delivered again", exc)
            report = Report(failed_messages=[message.id for message in messages])
        self._account(parts.logger, report, len(messages), perf_counter() - began)
        return {
            "batchItemFailures": [{"itemIdentifier": message_id} for message_id in report.failed_messages]
        }

    def _account(self, logger: Logger, report: Report, messages: int, seconds: float) -> None:
        counts = dict(report.counts)
        logger.fact("batch", messages=messages, counts=counts, duration_ms=round(seconds * 1000, 1))
        metrics = EphemeralMetrics(namespace="Steersman", service="stages")
        metrics.add_dimension("queue", self._queue)
        metrics.add_metric("Jobs", MetricUnit.Count, counts.get("claimed", 0))
        metrics.add_metric("Completed", MetricUnit.Count, counts.get("completed", 0))
        metrics.add_metric("Failed", MetricUnit.Count, counts.get("failed", 0))
        metrics.add_metric("Retried", MetricUnit.Count, counts.get("ready", 0))
        metrics.add_metric("BatchDuration", MetricUnit.Milliseconds, seconds * 1000)
        metrics.flush_metrics()
        for fact in report.facts:
            if fact.event in {"stage.failed", "stage.retrying"}:
                logger.warning(
                    fact.event, task_id=str(fact.task_id), stage=fact.stage, error=_code(fact.detail)
                )


def _message(record: Mapping[str, Any], queue: str) -> Message:
    lane = str(record.get("eventSourceARN", "")).rpartition("-")[2]
    attributes = record.get("attributes") or {}
    return Message(
        id=record["messageId"],
        body=record["body"],
        queue=queue,
        lane=lane,
        receive_count=int(attributes.get("ApproximateReceiveCount", 1)),
        group=attributes.get("MessageGroupId", ""),
    )


def _code(detail: Mapping[str, Any]) -> Any:
    return (detail.get("error") or {}).get("code")
