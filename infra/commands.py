"""The CDK from the command line of this project: `python -m infra.commands synth|deploy dev|prod [CDK OPTIONS]`.

Options after the environment go to the CDK: `-c llm_provider=bedrock`, `--require-approval never`, …
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from infra.environments import ENVIRONMENTS
from layers.build import ROOT
from steersman.local.errors import LocalCloudError
from steersman.local.records import exclusive
from steersman.local.tools import Programs, cdk_command, install_cdk, node_environment

CLOUD = tuple(name for name, environment in ENVIRONMENTS.items() if environment.stores)
PATIENCE_S = 300.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.commands", description="Synthesise or deploy to AWS."
    )
    parser.add_argument("command", choices=("synth", "deploy"))
    parser.add_argument("environment", choices=CLOUD, help="`make up` deploys the local one")
    given, options = parser.parse_known_args(arguments)
    _prepare()
    assembly = ROOT / "cdk.out" / given.environment
    if given.command == "synth":
        return synth(given.environment, assembly, options)
    return deploy(given.environment, assembly, options)


def synth(environment: str, assembly: Path, options: Sequence[str]) -> int:
    """Synthesise into `assembly`; 1 when cdk-nag, the CDK's validation or cfn-lint finds anything."""
    code = _cdk("synth", "--quiet", *_of(environment, assembly), *options)
    if code == 0:
        templates = sorted(str(file) for file in assembly.glob("*.template.json"))
        code = subprocess.run(
            [str(Path(sys.executable).with_name("cfn-lint")), "--", *templates], cwd=ROOT
        ).returncode
    if code == 0:
        print(f"{environment} is in {assembly.relative_to(ROOT)}; cdk-nag and cfn-lint found nothing")  # noqa: T201  a command answers
    return code


def deploy(environment: str, assembly: Path, options: Sequence[str]) -> int:
    """Bootstrap the account that the credentials are for, where need be, and deploy both stacks into it."""
    code = _cdk("bootstrap", *_of(environment, assembly))
    return code or _cdk("deploy", "--all", *_of(environment, assembly), *options)


def _prepare() -> None:
    folder = ROOT / ".local"
    folder.mkdir(exist_ok=True)
    with exclusive(folder / "cdk.lock", patience_s=PATIENCE_S) as held:
        install_cdk(ROOT, Programs(held), log=folder / "logs/npm.log")


def _of(environment: str, assembly: Path) -> list[str]:
    return ["--context", f"environment={environment}", "--output", str(assembly)]


def _cdk(*arguments: str) -> int:
    surroundings = node_environment(os.environ)
    # A person watches: colours, and the question before rights are widened.
    del surroundings["CI"], surroundings["NO_COLOR"]
    surroundings["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), surroundings["PATH"]))
    return subprocess.run(cdk_command(ROOT, arguments), cwd=ROOT, env=surroundings).returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LocalCloudError as error:
        sys.exit("\n".join(str(part) for part in (error.message, error.log, error.advice) if part))
