"""The synthesised CDK app, kept until something that it is made of changes: a synthesis takes 16 to 29 s."""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from steersman.local.tools import Programs, node_environment, python_command

# Everything that the templates and their assets are made of; the rest of the repository does not matter.
INPUTS = (
    "infra",
    "layers",
    "functions",
    "shared/steersman",
    "cdk.json",
    "requirements",
)
_NOT_DEPLOYED = ("shared/steersman/local", "shared/steersman/cli")
_IGNORED_FOLDERS = frozenset({"__pycache__", "node_modules", "cdk.out"})
_IGNORED_ENDINGS = (".pyc", ".swp", "~")
_LIMIT_S = 600.0


def fingerprint(root: Path, environment: str, inputs: Iterable[str] = INPUTS) -> str:
    """Return a hash of the inputs: their places, their content, and the interpreter."""
    digest = hashlib.sha256(f"{environment} {sys.version} {sys.prefix}".encode())
    for name in inputs:
        for file in _files(root / name):
            place = file.relative_to(root).as_posix()
            if place.startswith(_NOT_DEPLOYED):
                continue
            digest.update(f"{len(place)}:{place}".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def synthesise(root: Path, folder: Path, environment: str, programs: Programs, *, log: Path) -> str:
    """Leave the assembly of `environment` in `folder`, made anew only if its inputs changed; say which."""
    marker = folder.with_name(folder.name + ".inputs")
    wanted = fingerprint(root, environment)
    if (folder / "manifest.json").exists() and marker.exists() and marker.read_text() == wanted:
        return "unchanged"
    new = folder.with_name(folder.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    programs.run(
        python_command("infra.app"),
        folder=root,
        environment=_app_environment(root, new, environment),
        log=log,
        limit_s=_LIMIT_S,
        name="Synthesising the CDK app",
        advice="The log has the Python traceback of infra/app.py.",
    )
    marker.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    new.rename(folder)
    marker.write_text(wanted)
    return "synthesised"


def assembly_digest(folder: Path) -> str:
    """Return a hash of what an assembly would deploy; assets are named by their content."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.template.json")):
        digest.update(file.read_bytes())
    for asset in sorted(path.name for path in folder.glob("asset.*")):
        digest.update(asset.encode())
    return digest.hexdigest()


def stack_parameters(folder: Path) -> dict[str, set[str]]:
    """Return the names of the CloudFormation parameters of each stack of an assembly, by stack name."""
    manifest = json.loads((folder / "manifest.json").read_text())
    found: dict[str, set[str]] = {}
    for identifier, artifact in manifest.get("artifacts", {}).items():
        if artifact.get("type") != "aws:cloudformation:stack":
            continue
        properties = artifact["properties"]
        template = json.loads((folder / properties["templateFile"]).read_text())
        found[properties.get("stackName", identifier)] = set(template.get("Parameters", {}))
    return found


def _app_environment(root: Path, output: Path, environment: str) -> dict[str, str]:
    """Return what the CDK CLI would give the app; without the CLI, synthesis needs no AWS to be up."""
    cdk_json = root / "cdk.json"
    declared = json.loads(cdk_json.read_text()).get("context", {}) if cdk_json.exists() else {}
    context = {
        "aws:cdk:enable-path-metadata": True,
        "aws:cdk:enable-asset-metadata": True,
        **declared,
        "environment": environment,
    }
    return {
        **node_environment(os.environ),
        "PYTHONPATH": os.pathsep.join((str(root), str(root / "shared"))),
        "CDK_OUTDIR": str(output),
        "CDK_CONTEXT_JSON": json.dumps(context),
    }


def _files(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
        return
    for folder, folders, files in os.walk(place):
        folders[:] = sorted(name for name in folders if name not in _IGNORED_FOLDERS)
        for name in sorted(files):
            if not name.endswith(_IGNORED_ENDINGS):
                yield Path(folder) / name
