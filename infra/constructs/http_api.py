"""The HTTP API: the routes of the OpenAPI document, a stage with limits and an access log."""

import json
from collections.abc import Mapping, Sequence
from typing import cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_apigatewayv2 as apigw
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk.aws_apigatewayv2_authorizers import HttpIamAuthorizer
from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration
from constructs import Construct

from infra.routes import Route

# One JSON line per request; $context variables that a gateway fills in.
ACCESS_LOG = {
    "request_id": "$context.requestId",
    "time": "$context.requestTime",
    "method": "$context.httpMethod",
    "route": "$context.routeKey",
    "path": "$context.path",
    "status": "$context.status",
    "latency_ms": "$context.responseLatency",
    "integration_latency_ms": "$context.integrationLatency",
    "integration_error": "$context.integrationErrorMessage",
    "caller": "$context.identity.userArn",
    "source_ip": "$context.identity.sourceIp",
    "user_agent": "$context.identity.userAgent",
    "bytes": "$context.responseLength",
}


class HttpApi(Construct):
    """An API whose routes call `functions` by name; `fallback` answers 404 to what no route matches."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        routes: Sequence[Route],
        functions: Mapping[str, lambda_.IFunction],
        fallback: str,
        iam_authorization: bool,
        requests_per_s: int,
        request_burst: int,
        log_retention: logs.RetentionDays,
    ) -> None:
        super().__init__(scope, construct_id)
        called = {fallback, *(route.function for route in routes)}
        integrations = {
            function: HttpLambdaIntegration(function, functions[function], scope_permission_to_route=False)
            for function in sorted(called)
        }
        self.api = apigw.HttpApi(
            self,
            "Api",
            api_name=name,
            create_default_stage=False,
            default_authorizer=HttpIamAuthorizer() if iam_authorization else None,
            default_integration=integrations[fallback],
        )
        for route in routes:
            self.api.add_routes(
                path=route.path,
                methods=[apigw.HttpMethod[route.method]],
                integration=integrations[route.function],
            )
        self.stage = apigw.HttpStage(
            self,
            "Stage",
            http_api=self.api,
            stage_name="$default",
            auto_deploy=True,
            throttle=apigw.ThrottleSettings(rate_limit=requests_per_s, burst_limit=request_burst),
        )
        self._log_accesses(f"/aws/vendedlogs/{name}", log_retention)

    def _log_accesses(self, log_group_name: str, retention: logs.RetentionDays) -> None:
        log_group = logs.LogGroup(
            self,
            "AccessLog",
            log_group_name=log_group_name,
            retention=retention,
            removal_policy=RemovalPolicy.DESTROY,
        )
        stage = cast(apigw.CfnStage, self.stage.node.default_child)
        stage.access_log_settings = apigw.CfnStage.AccessLogSettingsProperty(
            destination_arn=log_group.log_group_arn, format=json.dumps(ACCESS_LOG)
        )
