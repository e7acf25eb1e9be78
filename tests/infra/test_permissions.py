"""Rights: exact actions on exact resources."""

from collections.abc import Iterator
from typing import Any

import pytest

from infra.constructs.permissions import VPC_ACTIONS
from infra.environments import ENVIRONMENTS
from infra.function_table import FUNCTIONS, Access
from tests.infra.assembly import Assembly, as_list, references

# AWS takes no narrower resource for these.
ANSWERS = {"states:SendTaskSuccess", "states:SendTaskFailure"}
EVERYWHERE = frozenset({"xray:PutTraceSegments", "xray:PutTelemetryRecords", *ANSWERS, *VPC_ACTIONS})


def _statements(assembly: Assembly) -> Iterator[dict[str, Any]]:
    for policy in (*assembly.of("AWS::IAM::Policy"), *assembly.of("AWS::IAM::ManagedPolicy")):
        yield from policy.properties["PolicyDocument"]["Statement"]


def _rights(assembly: Assembly, function: str) -> dict[str, Any]:
    """Return what a function's role allows: its resources by action."""
    deployed = assembly.named("AWS::Lambda::Function", f"steersman-{assembly.name}-{function}")
    (role,) = references(deployed.properties["Role"])
    return {
        action: statement["Resource"]
        for policy in assembly.of("AWS::IAM::Policy")
        if role in references(policy.properties["Roles"])
        for statement in policy.properties["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
        for action in as_list(statement["Action"])
    }


def test_no_action_is_a_wildcard(assembly: Assembly) -> None:
    """Every allowed action is named."""
    for statement in _statements(assembly):
        assert not [action for action in as_list(statement["Action"]) if "*" in action]


def test_only_what_knows_no_resource_is_allowed_everywhere(assembly: Assembly) -> None:
    """A `*` stands only where AWS knows nothing narrower: tracing, tokens, and Lambda's own network interfaces."""
    for statement in _statements(assembly):
        if statement["Effect"] == "Allow" and "*" in as_list(statement["Resource"]):
            assert set(as_list(statement["Action"])) <= EVERYWHERE


def test_a_function_in_the_vpc_cannot_use_lambdas_right_to_network_interfaces(
    cloud_assembly: Assembly,
) -> None:
    """The wildcard that Lambda needs is denied to the function's own code."""
    denied = [s for s in _statements(cloud_assembly) if s["Effect"] == "Deny"]
    assert len(denied) == len(FUNCTIONS)
    for statement in denied:
        assert set(statement["Action"]) == set(VPC_ACTIONS)
        assert "lambda:SourceFunctionArn" in statement["Condition"]["ArnEquals"]


def test_no_role_has_a_policy_of_aws(assembly: Assembly) -> None:
    """AWS's managed policies change without us: no role has one."""
    assert not [role for role in assembly.of("AWS::IAM::Role") if role.properties.get("ManagedPolicyArns")]


@pytest.mark.parametrize("spec", FUNCTIONS, ids=lambda spec: spec.name)
def test_only_what_the_table_says_may_send_jobs(assembly: Assembly, spec: Any) -> None:
    """A function sends to all lanes, or to all dead letters, or to none, as the table says."""
    queues = {q.logical_id: q.properties["QueueName"] for q in assembly.of("AWS::SQS::Queue")}
    sent = {queues[target] for target in references(_rights(assembly, spec.name).get("sqs:SendMessage", []))}
    dead = {name for name in queues.values() if name.endswith("-dead")}
    lanes = set(queues.values()) - dead
    expected = (lanes if Access.SEND_JOBS in spec.access else set()) | (
        dead if Access.SEND_DEAD in spec.access else set()
    )
    assert sent == expected


@pytest.mark.parametrize("spec", [s for s in FUNCTIONS if s.serves], ids=lambda spec: spec.name)
def test_a_stage_function_receives_from_its_own_queues_only(assembly: Assembly, spec: Any) -> None:
    """No stage can take another's jobs."""
    queues = {q.logical_id: q.properties["QueueName"] for q in assembly.of("AWS::SQS::Queue")}
    received = {queues[t] for t in references(_rights(assembly, spec.name)["sqs:ReceiveMessage"])}
    own = f"steersman-{assembly.name}-{spec.serves}-"
    assert received == {
        name for name in queues.values() if name.startswith(own) and not name.endswith("-dead")
    }


def test_documents_and_payloads_are_touched_by_those_the_table_names(assembly: Assembly) -> None:
    """One function reads, writes and deletes documents; large values are put and read where tasks are."""
    touched: dict[str, set[str]] = {}
    for spec in FUNCTIONS:
        for action, resource in _rights(assembly, spec.name).items():
            if action.startswith("s3:"):
                part = (
                    "payloads" if "/payloads/*" in str(resource) else "all" if "/*" in str(resource) else ""
                )
                touched.setdefault(spec.name, set()).add(f"{action} {part}".strip())
    own = {"s3:GetObject all", "s3:PutObject all", "s3:DeleteObject all"}
    parts = {"s3:GetObject payloads", "s3:PutObject payloads", "s3:ListBucket"}
    with_payloads = {spec.name: parts for spec in FUNCTIONS if Access.PAYLOADS in spec.access}
    assert touched == {"api-documents": own, **with_payloads}
    making = {"api-tasks", "api-schedules", "api-dead_letters", "ops-sweep"}
    assert set(with_payloads) == making | {spec.name for spec in FUNCTIONS if spec.serves}


def test_the_key_is_used_by_who_touches_the_bucket_where_there_is_one(assembly: Assembly) -> None:
    """A key of the project's own takes a right to that key; AWS's keys take none."""
    used = {
        function.name: resources
        for function in FUNCTIONS
        for action, resources in _rights(assembly, function.name).items()
        if action.startswith("kms:")
    }
    bucket = {spec.name for spec in FUNCTIONS if spec.access & {Access.DOCUMENTS, Access.PAYLOADS}}
    assert set(used) == (bucket if ENVIRONMENTS[assembly.name].own_key else set())
    assert "*" not in used.values()


def test_functions_enter_the_database_as_the_application(cloud_assembly: Assembly) -> None:
    """Every function connects as `steersman_app` by IAM; only `migrate` reads the owner's password."""
    for spec in FUNCTIONS:
        rights = _rights(cloud_assembly, spec.name)
        assert "/steersman_app" in str(rights["rds-db:connect"])
        assert ("secretsmanager:GetSecretValue" in rights) is (spec.name == "ops-migrate")
