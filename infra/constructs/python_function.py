"""A Lambda function of the project: its own role and log group, tracing, layers, network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Annotations, ArnFormat, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.constructs.code import ARCHITECTURE, RUNTIME
from infra.constructs.exceptions import accept
from infra.constructs.network import Network
from infra.constructs.permissions import VPC_ACTIONS
from infra.function_table import FunctionSpec


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the functions of an environment have in common. `name_prefix` is `steersman-<environment>-`."""

    name_prefix: str
    code: lambda_.Code
    layers: Sequence[lambda_.ILayerVersion]
    variables: Mapping[str, str]
    log_level: str
    log_retention: logs.RetentionDays
    network: Network | None
    snap_start: bool


class PythonFunction(Construct):
    """`function` is the function; `target` is what callers call: a published version with SnapStart."""

    def __init__(
        self, scope: Construct, construct_id: str, *, spec: FunctionSpec, surroundings: Surroundings
    ) -> None:
        super().__init__(scope, construct_id)
        name = surroundings.name_prefix + spec.name
        log_group = logs.LogGroup(
            self,
            "Logs",
            log_group_name=f"/aws/lambda/{name}",
            retention=surroundings.log_retention,
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=f"What {name} may do",
        )
        log_group.grant_write(self.role)
        network = surroundings.network
        snap_start = spec.snap_start and surroundings.snap_start
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=name,
            handler=spec.handler,
            code=surroundings.code,
            layers=list(surroundings.layers),
            runtime=RUNTIME,
            architecture=ARCHITECTURE,
            memory_size=spec.memory_mb,
            timeout=Duration.seconds(spec.timeout_s),
            role=self.role,
            environment={**surroundings.variables, "POWERTOOLS_SERVICE_NAME": spec.name},
            log_group=log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            application_log_level_v2=lambda_.ApplicationLogLevel[surroundings.log_level],
            system_log_level_v2=lambda_.SystemLogLevel.WARN,
            tracing=lambda_.Tracing.ACTIVE if spec.traced else lambda_.Tracing.PASS_THROUGH,
            # Stages lead to stages, and a retry to its own queue: Lambda would take long tasks for an endless loop and
            # stop them after 16 rounds. What ends ours are attempts, deadlines and the queues' limit of receives.
            recursive_loop=lambda_.RecursiveLoop.ALLOW if spec.serves else None,
            snap_start=lambda_.SnapStartConf.ON_PUBLISHED_VERSIONS if snap_start else None,
            vpc=network.vpc if network else None,
            vpc_subnets=network.functions_subnets if network else None,
            security_groups=[network.functions_group] if network else None,
            ipv6_allowed_for_dual_stack=network.dual_stack if network else None,
        )
        self.target: lambda_.IFunction = self._published() if snap_start else self.function
        if network:
            self._attach_to_network(name)
        self._explain()

    def allow(self, statements: Sequence[iam.PolicyStatement]) -> None:
        """Add rights to the function's own role."""
        for statement in statements:
            self.role.add_to_principal_policy(statement)

    def _published(self) -> lambda_.IFunction:
        return lambda_.Alias(self, "Live", alias_name="live", version=self.function.current_version)

    def _attach_to_network(self, name: str) -> None:
        """Let Lambda manage the function's network interfaces, and the function's code not."""
        self.role.add_to_principal_policy(iam.PolicyStatement(actions=list(VPC_ACTIONS), resources=["*"]))
        arn = Stack.of(self).format_arn(
            service="lambda",
            resource="function",
            resource_name=name,
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        self.role.add_to_principal_policy(
            iam.PolicyStatement(
                effect=iam.Effect.DENY,
                actions=list(VPC_ACTIONS),
                resources=["*"],
                conditions={"ArnEquals": {"lambda:SourceFunctionArn": arn}},
            )
        )

    def _explain(self) -> None:
        accept(
            self.role,
            "IAM5[Resource::*]",
            because="X-Ray and the network interfaces that Lambda manages know no narrower resource.",
        )
        accept(
            self.function,
            "L1",
            because="The runtime is the newest that every locked wheel supports, and the one that CI runs.",
        )
        # The alias in `target` is the published version that this annotation asks for.
        Annotations.of(self.function).acknowledge_warning("@aws-cdk/aws-lambda:snapStartRequirePublish")
