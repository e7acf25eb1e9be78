"""What state machines of templates are made with: a role of their own. They are made when templates are published."""

from collections.abc import Sequence

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.constructs.exceptions import accept


class Machines(Construct):
    """State machines whose names begin with `name_prefix` may send to the stage queues `lanes`, and nothing else.

    `arns` stands for all of them and their versions, `execution_arns` for their executions.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, name_prefix: str, lanes: Sequence[sqs.IQueue]
    ) -> None:
        super().__init__(scope, construct_id)
        self.name_prefix = name_prefix
        self.arns = self._arn("stateMachine")
        self.execution_arns = self._arn("execution")
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "states.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}},
            ),
            description=f"What the state machines {name_prefix}* may do",
        )
        self._allow(["sqs:SendMessage"], [queue.queue_arn for queue in lanes])
        # Items of a distributed Map are executions that the machine begins itself.
        self._allow(["states:StartExecution"], [self.arns])
        self._allow(["states:DescribeExecution", "states:StopExecution"], [self.execution_arns])
        for kind in ("stateMachine", "execution"):
            accept(
                self.role,
                f"IAM5[Resource::arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:{kind}:{name_prefix}*]",
                because="State machines are made when templates are published; their names begin so.",
            )

    def _allow(self, actions: list[str], arns: Sequence[str]) -> None:
        self.role.add_to_policy(iam.PolicyStatement(actions=actions, resources=list(arns)))

    def _arn(self, kind: str) -> str:
        return Stack.of(self).format_arn(
            service="states",
            resource=kind,
            resource_name=f"{self.name_prefix}*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
