"""Calls a function again and again, without a process to keep."""

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from constructs import Construct


class Schedule(Construct):
    """A rule that calls `function` at `schedule`; a call not delivered within `patience` is dropped."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        function: lambda_.IFunction,
        schedule: events.Schedule,
        description: str,
        patience: Duration,
    ) -> None:
        super().__init__(scope, construct_id)
        events.Rule(
            self,
            "Rule",
            description=description,
            schedule=schedule,
            targets=[targets.LambdaFunction(function, max_event_age=patience, retry_attempts=1)],
        )
