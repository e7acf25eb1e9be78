"""The templates of an environment, synthesised as for a deploy, without building layers and without an account."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from steersman.local.tools import node_environment

ROOT = Path(__file__).parents[2]
STACKS = ("Data", "Services")


class SynthesisFailed(Exception):
    """The app could not be synthesised; the message has its words."""


@dataclass(frozen=True)
class Resource:
    """One resource of a template; `id` is its logical id."""

    id: str
    type: str
    properties: Mapping[str, Any]


class Resources:
    """All resources of an environment."""

    def __init__(self, found: Sequence[Resource]) -> None:
        self._found = tuple(found)
        self._by_id = {resource.id: resource for resource in self._found}

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._found)

    def of(self, type: str) -> list[Resource]:  # noqa: A002  CloudFormation's word
        return [resource for resource in self._found if resource.type == type]

    def referred(self, value: Any) -> Resource | None:
        """Return the resource that a Ref or GetAtt names, if it is one of these."""
        if not isinstance(value, Mapping):
            return None
        name = value.get("Ref") or value.get("Fn::GetAtt", [None])[0]
        return self._by_id.get(name) if isinstance(name, str) else None


def resources_of(templates: Sequence[Mapping[str, Any]]) -> Resources:
    """Return the resources of templates as CloudFormation writes them."""
    return Resources(
        [
            Resource(logical_id, body["Type"], body.get("Properties", {}))
            for template in templates
            for logical_id, body in template["Resources"].items()
        ]
    )


def synthesise(environment: str) -> Resources:
    """Return the resources of `environment` ('dev' or 'prod'); takes about half a minute. Raises SynthesisFailed."""
    settings = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    settings |= {"environment": environment, "aws:cdk:bundling-stacks": []}
    with TemporaryDirectory(prefix="steersman-cost-") as folder:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        done = subprocess.run(
            [sys.executable, "-m", "infra.app"],
            cwd=ROOT,
            env=node_environment(clean) | {"CDK_OUTDIR": folder, "CDK_CONTEXT_JSON": json.dumps(settings)},
            capture_output=True,
            text=True,
            check=False,
        )
        files = [Path(folder) / f"{stack}.template.json" for stack in STACKS]
        if not all(file.exists() for file in files):
            raise SynthesisFailed(f"the templates of {environment} could not be made:\n{done.stderr}")
        return resources_of([json.loads(file.read_text(encoding="utf-8")) for file in files])
