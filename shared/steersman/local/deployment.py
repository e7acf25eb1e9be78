"""`cdk bootstrap` and `cdk deploy` into the local AWS API, skipped where they would change nothing."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from steersman.local.emulator import ACCOUNT, REGION, aws_environment, cloud_url
from steersman.local.errors import LocalCloudError
from steersman.local.synthesis import assembly_digest, stack_parameters
from steersman.local.tools import Programs, cdk_command, node_environment

_BOOTSTRAP_VERSION = "/cdk-bootstrap/hnb659fds/version"
_ASSETS_BUCKET = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
# What is deployed is written into the emulator itself: a state that was lost cannot claim to be current.
_MARKER = "/steersman/local/deployed"
_LIMIT_S = 600.0
_AGAIN = "Read the log, then run `up` again. `clean` begins anew, without the documents and tasks."


@dataclass(frozen=True)
class Deployment:
    """Where a deployment goes and what it leaves: `outputs_file` is the CLI's file of outputs by stack."""

    root: Path
    assembly: Path
    outputs_file: Path
    logs: Path
    cloud_port: int
    programs: Programs


def bootstrap(deployment: Deployment) -> str:
    """Bootstrap the CDK in the local account once; say whether that was needed."""
    if _parameter(deployment.cloud_port, _BOOTSTRAP_VERSION):
        return "already bootstrapped"
    _remove_orphaned_assets(deployment.cloud_port)
    _cdk(deployment, "bootstrap", [f"aws://{ACCOUNT}/{REGION}"])
    return "bootstrapped"


def deploy(deployment: Deployment, values: Mapping[str, str]) -> bool:
    """Deploy the assembly, giving each stack the `values` that it has parameters for; say if it changed.

    The outputs file is complete afterwards. Raise LocalCloudError, with the log of the CDK CLI, if it fails.
    """
    wanted = deployment_digest(deployment.assembly, values)
    if deployment.outputs_file.exists() and _parameter(deployment.cloud_port, _MARKER) == wanted:
        return False
    before = read_outputs(deployment.outputs_file)
    parameters = parameter_arguments(stack_parameters(deployment.assembly), values)
    _cdk(
        deployment,
        "deploy",
        [
            "--all",
            "--app",
            str(deployment.assembly),
            "--require-approval=never",
            "--method=direct",
            "--progress=events",
            f"--outputs-file={deployment.outputs_file}",
            *parameters,
        ],
    )
    _carry_documents(deployment.cloud_port, before, read_outputs(deployment.outputs_file))
    client("ssm", deployment.cloud_port).put_parameter(
        Name=_MARKER, Value=wanted, Type="String", Overwrite=True
    )
    return True


def deployment_digest(assembly: Path, values: Mapping[str, str]) -> str:
    """Return a hash of everything that a deployment depends on."""
    given = json.dumps([assembly_digest(assembly), sorted(values.items())])
    return hashlib.sha256(given.encode()).hexdigest()


def parameter_arguments(parameters: Mapping[str, set[str]], values: Mapping[str, str]) -> list[str]:
    """Return the CLI's arguments that give every stack the values of the parameters it has."""
    return [
        f"--parameters={stack}:{name}={values[name]}"
        for stack, names in sorted(parameters.items())
        for name in sorted(names & values.keys())
    ]


def read_outputs(path: Path) -> dict[str, str]:
    """Return the outputs of all stacks by name; none where nothing was deployed yet."""
    try:
        stacks = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return {name: str(value) for outputs in stacks.values() for name, value in outputs.items()}


def function_logs(cloud_port: int, *, after_ms: int, limit: int = 1000) -> list[tuple[int, str, str]]:
    """Return what functions wrote after a moment (epoch milliseconds): moment, log group, line; in order."""
    logs = client("logs", cloud_port)
    lines: list[tuple[int, str, str]] = []
    for page in logs.get_paginator("describe_log_groups").paginate():
        for group in page["logGroups"]:
            name = group["logGroupName"]
            events = logs.filter_log_events(logGroupName=name, startTime=after_ms + 1, limit=limit)["events"]
            lines += [(event["timestamp"], name, event["message"].rstrip()) for event in events]
    return sorted(lines, key=lambda line: line[0])[-limit:]


def _cdk(deployment: Deployment, verb: str, arguments: list[str]) -> None:
    deployment.programs.run(
        cdk_command(deployment.root, [verb, "--no-notices", *arguments]),
        # The CLI reads cdk.json from its folder; the assembly is all it shall see.
        folder=deployment.logs,
        environment={**node_environment(os.environ), **aws_environment(deployment.cloud_port)},
        log=deployment.logs / f"{verb}.log",
        limit_s=_LIMIT_S,
        name=f"cdk {verb}",
        advice=_AGAIN,
    )


def _parameter(port: int, name: str) -> str | None:
    try:
        return str(client("ssm", port).get_parameter(Name=name)["Parameter"]["Value"])
    except ClientError as exc:
        if exc.response["Error"]["Code"] == "ParameterNotFound":
            return None
        raise LocalCloudError(f"the AWS emulator answered: {exc}", advice=_AGAIN) from exc
    except BotoCoreError as exc:
        raise LocalCloudError(f"the AWS emulator does not answer: {exc}", advice=_AGAIN) from exc


def _remove_orphaned_assets(port: int) -> None:
    """Remove an assets bucket whose stack was lost in a crash: the stack could not be made beside it."""
    bucket = _resource(port).Bucket(_ASSETS_BUCKET)
    if bucket.creation_date is not None:
        bucket.object_versions.delete()
        bucket.objects.delete()
        bucket.delete()


def _carry_documents(port: int, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Copy the documents of a bucket that a crash orphaned into the one that took its place."""
    old, new = documents_bucket(before), documents_bucket(after)
    if not old or not new or old == new or _resource(port).Bucket(old).creation_date is None:
        return
    target = _resource(port).Bucket(new)
    for item in _resource(port).Bucket(old).objects.all():
        target.Object(item.key).copy_from(CopySource={"Bucket": old, "Key": item.key})


def documents_bucket(outputs: Mapping[str, str]) -> str:
    """Return the name of the bucket with the documents, empty where the outputs name none."""
    return outputs.get("DocumentsBucketName") or outputs.get("DocumentsBucket", "")


def client(service: str, port: int) -> Any:
    """Return a boto3 client of the local AWS API."""
    return _session().client(service, endpoint_url=cloud_url(port), config=_config())


def _resource(port: int) -> Any:
    return _session().resource("s3", endpoint_url=cloud_url(port), config=_config())


def _session() -> Any:
    return boto3.Session(ACCOUNT, "local", region_name=REGION)


def _config() -> Config:
    return Config(
        connect_timeout=5,
        read_timeout=30,
        retries={"max_attempts": 2},
        proxies={},
        s3={"addressing_style": "path"},
    )
