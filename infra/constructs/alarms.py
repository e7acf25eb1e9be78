"""Alarms: what a person must look at, and the topic that tells them."""

from collections.abc import Mapping

from aws_cdk import Aws, Duration
from aws_cdk import aws_apigatewayv2 as apigw
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

MINUTE = Duration.minutes(1)
FIVE_MINUTES = Duration.minutes(5)


class Alarms(Construct):
    """The alarms of an environment. They go to one topic; `email`, where given, is subscribed to it."""

    def __init__(self, scope: Construct, construct_id: str, *, email: str | None) -> None:
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(self, "Topic", display_name="Steersman", enforce_ssl=True)
        # The topic's own policy takes the place of the one that would let the account's alarms in.
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
            )
        )
        if email:
            self.topic.add_subscription(subscriptions.EmailSubscription(email))

    def on_dead_letters(self, queues: Mapping[str, sqs.IQueue]) -> None:
        """Ring when a stage's dead-letter queue holds anything; `queues` by the stage's name."""
        for stage, queue in queues.items():
            self._ring(
                f"DeadLetters{stage.capitalize()}",
                queue.metric_approximate_number_of_messages_visible(period=MINUTE, statistic="Maximum"),
                f"Jobs of the stage {stage} failed again and again and wait in its dead-letter queue.",
            )

    def on_errors(self, functions: Mapping[str, lambda_.IFunction]) -> None:
        """Ring when a function that nobody waits for has failed; `functions` by name."""
        for name, function in functions.items():
            camel = "".join(part.capitalize() for part in name.split("-"))
            self._ring(
                f"Errors{camel}",
                function.metric_errors(period=FIVE_MINUTES, statistic="Sum"),
                f"The function {name} failed: see its log.",
            )

    def on_server_errors(self, api: apigw.IHttpApi) -> None:
        """Ring when the API answered 5xx."""
        self._ring(
            "ServerErrors",
            api.metric_server_error(period=FIVE_MINUTES, statistic="Sum"),
            "The API answered 5xx: see the access log and the function's log.",
        )

    def _ring(self, construct_id: str, metric: cloudwatch.IMetric, description: str) -> None:
        alarm = cloudwatch.Alarm(
            self,
            construct_id,
            metric=metric,
            threshold=0,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=description,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))
