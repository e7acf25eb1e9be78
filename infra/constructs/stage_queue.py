"""The queues of one stage: a lane for each urgency, and one dead-letter queue for all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as event_sources
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from steersman.tasks.words import Lane

MAX_RECEIVES = 5
LANE_RETENTION = Duration.days(4)
DEAD_RETENTION = Duration.days(14)  # a dead letter keeps the date of its job: longer than any lane


@dataclass(frozen=True)
class Batch:
    """How an event source collects messages. SQS takes a size above 10 only with a window."""

    size: int
    window_s: int


BATCHES: Mapping[Lane, Batch] = MappingProxyType(
    {Lane.URGENT: Batch(10, 0), Lane.STANDARD: Batch(10, 0), Lane.BULK: Batch(100, 2)}
)


class StageQueue(Construct):
    """Queues named `<name_prefix><stage>-<lane>` and `<name_prefix><stage>-dead`."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name_prefix: str,
        stage: str,
        lanes: Sequence[Lane],
        function_timeout_s: int,
    ) -> None:
        super().__init__(scope, construct_id)
        self.dead = sqs.Queue(
            self,
            "Dead",
            queue_name=f"{name_prefix}{stage}-dead",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=DEAD_RETENTION,
        )
        self.lanes = {
            lane: sqs.Queue(
                self,
                lane.capitalize(),
                queue_name=f"{name_prefix}{stage}-{lane}",
                encryption=sqs.QueueEncryption.SQS_MANAGED,
                enforce_ssl=True,
                retention_period=LANE_RETENTION,
                # Lambda asks for six times, so that a throttled batch is not given out twice.
                visibility_timeout=Duration.seconds(6 * function_timeout_s + BATCHES[lane].window_s),
                dead_letter_queue=sqs.DeadLetterQueue(max_receive_count=MAX_RECEIVES, queue=self.dead),
            )
            for lane in lanes
        }

    def feed(self, function: lambda_.IFunction, *, max_concurrency: Mapping[Lane, int]) -> None:
        """Let `function` serve every lane, reporting the items of a batch that failed."""
        for lane, queue in self.lanes.items():
            batch = BATCHES[lane]
            function.add_event_source(
                event_sources.SqsEventSource(
                    queue,
                    batch_size=batch.size,
                    max_batching_window=Duration.seconds(batch.window_s) if batch.window_s else None,
                    max_concurrency=max_concurrency[lane],
                    report_batch_item_failures=True,
                )
            )
