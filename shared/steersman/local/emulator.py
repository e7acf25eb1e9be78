"""The AWS API on the loopback: ministack, its state in a folder so that deployments survive a restart."""

import os
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import psutil

from steersman.local.packages import node_folder
from steersman.local.ports import HOST, answers
from steersman.local.processes import Command, Identity, stop, wait_until

ACCOUNT = "000000000000"
REGION = "us-east-1"
_START_LIMIT_S = 60.0
_STOP_LIMIT_S = 30.0
# Functions inherit the rest; what they may see of ours is `passed_on`.
_KEPT_OUT = ("AWS_", "STEERSMAN_", "PYTHON", "CDK_", "JSII_")


def cloud_url(port: int) -> str:
    """Return the endpoint of the AWS API."""
    return f"http://{HOST}:{port}"


def aws_environment(port: int) -> dict[str, str]:
    """Return the environment that points an AWS SDK or the CDK CLI to the local AWS API."""
    return {
        "AWS_ENDPOINT_URL": cloud_url(port),
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": _no_proxy(os.environ),
    }


def prepare(folder: Path) -> str:
    """Make the folders for state, objects and functions at work; there is nothing to tell the user."""
    for name in ("state", "objects", "work"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return ""


def emulator_command(
    folder: Path, port: int, environment: Mapping[str, str], passed_on: Mapping[str, str]
) -> Command:
    """Return how the emulator is started with its state in `folder`; `environment` is the user's.

    Lambda functions run on this interpreter, so they see what is installed here, and inherit the environment
    with the variables `passed_on`.
    """
    return Command(
        arguments=[sys.executable, "-m", "steersman.local.aws_api"],
        folder=folder,
        log=folder / "cloud.log",
        environment={**_inherited(environment), **passed_on, **_own(folder, port), **aws_environment(port)},
        significant=("STEERSMAN_", *_own(folder, port)),
    )


def await_emulator(identity: Identity, port: int, log: Path) -> None:
    """Wait until the AWS API answers; its saved state is loaded by then."""
    wait_until(
        lambda: healthy(port), identity=identity, name="The AWS emulator", log=log, limit_s=_START_LIMIT_S
    )


def healthy(port: int) -> bool:
    """Say whether the AWS API answers."""
    if not answers(port):
        return False
    # A handler of our own: proxies that the user has set are not for the loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{cloud_url(port)}/_ministack/health", timeout=2.0) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def stop_emulator(process: psutil.Process, folder: Path) -> bool:
    """Stop the emulator, which saves its state in `folder` then, and its workers; say whether it obeyed."""
    obeyed = stop(process, ask=lambda p: p.terminate(), patience_s=_STOP_LIMIT_S)
    shutil.rmtree(folder / "work", ignore_errors=True)  # the unpacked functions of workers that are gone
    return obeyed


def _own(folder: Path, port: int) -> dict[str, str]:
    return {
        "BIND_HOST": HOST,
        "MINISTACK_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "PERSIST_STATE": "1",
        "STATE_DIR": str(folder / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(folder / "objects"),
        "TMPDIR": str(folder / "work"),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "INFO",
        "LAMBDA_WARM_TTL_SECONDS": "300",
        "PYTHONUNBUFFERED": "1",
    }


def _inherited(environment: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in environment.items() if not name.startswith(_KEPT_OUT)}
    return {**kept, "PATH": os.pathsep.join((str(node_folder()), environment.get("PATH", os.defpath)))}


def _no_proxy(environment: Mapping[str, str]) -> str:
    given = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    return ",".join(part for part in (given, HOST, "localhost") if part)
