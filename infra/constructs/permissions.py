"""What the rights of the function table mean in IAM: exact actions on exact resources."""

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs

from infra.constructs.database import APP_ROLE, Database
from infra.constructs.machines import Machines
from infra.function_table import Access
from infra.models import BedrockModel, Models
from steersman.tasks.references import PREFIX as PAYLOADS

# Lambda asks for these on every resource before it attaches a function to a VPC.
VPC_ACTIONS = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What functions may be allowed to touch.

    `key` is None where AWS's keys encrypt, which takes no right; `database` where its URL carries a password.
    """

    stack: Stack
    lanes: Sequence[sqs.IQueue]
    dead: Sequence[sqs.IQueue]
    documents_arn: str
    machines: Machines
    key: kms.IKey | None
    database: Database | None
    models: Models


def statements(access: Access, resources: Resources) -> list[iam.PolicyStatement]:
    """Return the statements that a right stands for; none where the environment needs none."""
    match access:
        case Access.DATABASE:
            return _database(resources)
        case Access.DATABASE_OWNER:
            return _database_owner(resources)
        case Access.SEND_JOBS:
            return [_allow(["sqs:SendMessage"], [queue.queue_arn for queue in resources.lanes])]
        case Access.SEND_DEAD:
            return [_allow(["sqs:SendMessage"], [queue.queue_arn for queue in resources.dead])]
        case Access.SEE_QUEUES:
            queues = [*resources.lanes, *resources.dead]
            return [_allow(["sqs:GetQueueAttributes"], [queue.queue_arn for queue in queues])]
        case Access.DOCUMENTS:
            return _documents(resources)
        case Access.PAYLOADS:
            return _payloads(resources)
        case Access.EXECUTIONS:
            return _executions(resources.machines)
        case Access.ANSWERS:
            # A token tells the execution: IAM knows no narrower resource.
            return [_allow(["states:SendTaskSuccess", "states:SendTaskFailure"], ["*"])]
        case Access.MACHINES:
            return _machines(resources.machines)
        case Access.MODELS:
            return _models(resources)


def _database(resources: Resources) -> list[iam.PolicyStatement]:
    if resources.database is None:
        return []
    user = resources.stack.format_arn(
        service="rds-db",
        resource="dbuser",
        resource_name=f"{resources.database.cluster.cluster_resource_identifier}/{APP_ROLE}",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    return [_allow(["rds-db:connect"], [user])]


def _database_owner(resources: Resources) -> list[iam.PolicyStatement]:
    if resources.database is None:
        return []
    return [_allow(["secretsmanager:GetSecretValue"], [resources.database.owner_secret_arn])]


def _documents(resources: Resources) -> list[iam.PolicyStatement]:
    objects = _allow(["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], [f"{resources.documents_arn}/*"])
    return [objects, *_key(resources)]


def _payloads(resources: Resources) -> list[iam.PolicyStatement]:
    """Put and get; and list, for S3 says that an object is gone only to who may: to others it says forbidden."""
    objects = _allow(["s3:GetObject", "s3:PutObject"], [f"{resources.documents_arn}/{PAYLOADS}*"])
    return [objects, _allow(["s3:ListBucket"], [resources.documents_arn]), *_key(resources)]


def _executions(machines: Machines) -> list[iam.PolicyStatement]:
    return [
        _allow(["states:StartExecution"], [machines.arns]),
        _allow(["states:DescribeExecution", "states:StopExecution"], [machines.execution_arns]),
    ]


def _machines(machines: Machines) -> list[iam.PolicyStatement]:
    actions = ["states:CreateStateMachine", "states:UpdateStateMachine", "states:PublishStateMachineVersion"]
    to_machines_only = iam.PolicyStatement(
        actions=["iam:PassRole"],
        resources=[machines.role.role_arn],
        conditions={"StringEquals": {"iam:PassedToService": "states.amazonaws.com"}},
    )
    return [_allow(actions, [machines.arns]), to_machines_only]


def _key(resources: Resources) -> list[iam.PolicyStatement]:
    if resources.key is None:
        return []
    return [_allow(["kms:Decrypt", "kms:GenerateDataKey"], [resources.key.key_arn])]


def _models(resources: Resources) -> list[iam.PolicyStatement]:
    found = []
    if resources.models.bedrock:
        arns = [arn for model in resources.models.bedrock for arn in _model_arns(resources.stack, model)]
        found.append(_allow(["bedrock:InvokeModel"], arns))
    if resources.models.api_key_secret:
        found.append(_allow(["secretsmanager:GetSecretValue"], [resources.models.api_key_secret]))
    return found


def _model_arns(stack: Stack, model: BedrockModel) -> list[str]:
    """Return the ARNs that calling a model takes: a profile calls the model in a region of its choice."""
    if not model.is_profile:
        return [f"arn:{stack.partition}:bedrock:{stack.region}::foundation-model/{model.name}"]
    return [
        f"arn:{stack.partition}:bedrock:{stack.region}:{stack.account}:inference-profile/{model.id}",
        f"arn:{stack.partition}:bedrock:*::foundation-model/{model.name}",
    ]


def _allow(actions: list[str], arns: Sequence[str]) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=actions, resources=list(arns))
