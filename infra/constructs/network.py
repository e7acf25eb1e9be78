"""The VPC of the stores and of the functions that use them, with the way out that the environment chooses."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.environments import Egress

FUNCTIONS = "Functions"
STORES = "Stores"

Service = ec2.InterfaceVpcEndpointAwsService


class Network(Construct):
    """Two tiers of subnets in each zone: `Functions` with the chosen way out, `Stores` with none.

    `functions_group` is the security group of every function; `store_group` makes one that only it may enter.
    S3 is always reached through a gateway endpoint: it is free, and answers to CloudFormation go that way.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        egress: Egress,
        zones: int,
        log_retention: logs.RetentionDays,
        bedrock: bool,
    ) -> None:
        super().__init__(scope, construct_id)
        self.egress = egress
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            max_azs=zones,
            ip_protocol=ec2.IpProtocol.DUAL_STACK if self.dual_stack else ec2.IpProtocol.IPV4_ONLY,
            nat_gateways=1 if egress is Egress.NAT else 0,
            subnet_configuration=_subnets(egress),
            # Nothing uses the default group; emptying it would take a function that is not ours.
            restrict_default_security_group=False,
            gateway_endpoints={
                "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3)
            },
        )
        self._log_flows(log_retention)
        self.functions_group = ec2.SecurityGroup(
            self,
            "FunctionsGroup",
            vpc=self.vpc,
            description="Functions: nothing in, anything out",
            allow_all_outbound=True,
            allow_all_ipv6_outbound=self.dual_stack,
        )
        if egress is Egress.ENDPOINTS:
            self._add_endpoints(
                [
                    Service.SQS,
                    Service.STEP_FUNCTIONS,
                    Service.SECRETS_MANAGER,
                    *([Service.BEDROCK_RUNTIME] if bedrock else []),
                ]
            )

    @property
    def dual_stack(self) -> bool:
        """Whether functions go out by IPv6, and so need the dual-stack endpoints of AWS."""
        return self.egress is Egress.DUAL_STACK

    @property
    def functions_subnets(self) -> ec2.SubnetSelection:
        return ec2.SubnetSelection(subnet_group_name=FUNCTIONS)

    @property
    def store_subnets(self) -> ec2.SubnetSelection:
        return ec2.SubnetSelection(subnet_group_name=STORES)

    def store_group(self, construct_id: str, *, port: int, description: str) -> ec2.SecurityGroup:
        """Return a new security group that functions, and nothing else, may enter on `port`."""
        group = ec2.SecurityGroup(
            self,
            construct_id,
            vpc=self.vpc,
            description=description,
            allow_all_outbound=False,
            disable_inline_rules=True,
        )
        group.add_ingress_rule(self.functions_group, ec2.Port.tcp(port), "from functions")
        return group

    def _add_endpoints(self, services: list[ec2.InterfaceVpcEndpointAwsService]) -> None:
        group = self.store_group("EndpointsGroup", port=443, description="Endpoints of AWS services")
        for service in services:
            self.vpc.add_interface_endpoint(
                "".join(part.capitalize() for part in service.short_name.replace(".", "-").split("-")),
                service=service,
                subnets=self.functions_subnets,
                security_groups=[group],
                open=False,
            )

    def _log_flows(self, retention: logs.RetentionDays) -> None:
        group = logs.LogGroup(self, "FlowLogs", retention=retention, removal_policy=RemovalPolicy.DESTROY)
        self.vpc.add_flow_log(
            "Rejected",
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(group),
            traffic_type=ec2.FlowLogTrafficType.REJECT,
        )


def _subnets(egress: Egress) -> list[ec2.SubnetConfiguration]:
    isolated = ec2.SubnetType.PRIVATE_ISOLATED
    functions = isolated if egress is Egress.ENDPOINTS else ec2.SubnetType.PRIVATE_WITH_EGRESS
    tiers = [(FUNCTIONS, functions), (STORES, isolated)]
    if egress is Egress.NAT:
        tiers.append(("Public", ec2.SubnetType.PUBLIC))
    return [ec2.SubnetConfiguration(name=name, subnet_type=kind, cidr_mask=20) for name, kind in tiers]
