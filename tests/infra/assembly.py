"""The synthesised templates as plain data: what the policy tests look at."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TEMPLATES = ("Data", "Services")


@dataclass(frozen=True)
class Resource:
    """One resource of a template."""

    logical_id: str
    type: str
    properties: Mapping[str, Any]
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Assembly:
    """The cloud assembly of one environment, in `folder`."""

    name: str
    folder: Path

    @cached_property
    def templates(self) -> dict[str, dict[str, Any]]:
        return {name: json.loads(self.template_file(name).read_text(encoding="utf-8")) for name in TEMPLATES}

    def template_file(self, name: str) -> Path:
        return self.folder / f"{name}.template.json"

    def all(self) -> Iterator[Resource]:
        """Yield every resource of every template."""
        for template in self.templates.values():
            for logical_id, body in template["Resources"].items():
                yield Resource(logical_id, body["Type"], body.get("Properties", {}), body)

    def of(self, type: str) -> list[Resource]:  # noqa: A002  CloudFormation's word
        """Return the resources of a type."""
        return [resource for resource in self.all() if resource.type == type]

    def named(self, type: str, name: str) -> Resource:  # noqa: A002
        """Return the function, queue or other resource that carries `name` as FunctionName, QueueName, ..."""
        key = f"{type.rsplit('::', 1)[-1]}Name"
        return next(resource for resource in self.of(type) if resource.properties.get(key) == name)


def synthesise(environment: str, folder: Path, context: Mapping[str, str] | None = None) -> str:
    """Run the app as the CDK CLI does, without credentials and without building layers; return its output.

    Findings of cdk-nag are in the assembly's report; fails the test when there is no assembly at all.
    """
    settings = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    settings |= {"environment": environment, "aws:cdk:bundling-stacks": [], **(context or {})}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        [sys.executable, "-m", "infra.app"],
        cwd=ROOT,
        env={**clean, "CDK_OUTDIR": str(folder), "CDK_CONTEXT_JSON": json.dumps(settings)},
        capture_output=True,
        text=True,
        check=False,
    )
    if not (folder / "manifest.json").exists():
        pytest.fail(f"the synthesis of {environment} failed:\n{done.stderr}", pytrace=False)
    return done.stdout + done.stderr


def functions(assembly: Assembly) -> list[Resource]:
    return assembly.of("AWS::Lambda::Function")


def references(value: Any) -> set[str]:
    """Return the logical ids that a property refers to by Ref or GetAtt."""
    if isinstance(value, list):
        return {found for item in value for found in references(item)}
    if not isinstance(value, dict):
        return set()
    own = {value["Ref"]} if isinstance(value.get("Ref"), str) else set()
    if "Fn::GetAtt" in value:
        own.add(value["Fn::GetAtt"][0])
    return own.union(*(references(item) for item in value.values()))


def as_list(value: Any) -> list[Any]:
    """Return IAM's "one or many" as a list."""
    return value if isinstance(value, list) else [value]
