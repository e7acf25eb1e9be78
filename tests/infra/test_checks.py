"""The checks that every deployable template passes."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from infra.environments import ENVIRONMENTS, find
from tests.infra.assembly import ROOT, TEMPLATES, Assembly


def test_cdk_nag_finds_nothing(cloud_assembly: Assembly) -> None:
    """AwsSolutions has no finding without a reason, and the CDK's own validation none at all."""
    assert ENVIRONMENTS[cloud_assembly.name].checked
    report = json.loads((cloud_assembly.folder / "validation-report.json").read_text(encoding="utf-8"))
    assert report["pluginReports"] == []


def test_cfn_lint_finds_nothing(cloud_assembly: Assembly) -> None:
    """Templates hold to the schemas of CloudFormation's resources, warnings included."""
    files = [str(cloud_assembly.template_file(name)) for name in TEMPLATES]
    done = subprocess.run(
        [str(Path(sys.executable).with_name("cfn-lint")), *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_ids_do_not_name_the_environment(assembly: Assembly) -> None:
    """A resource has the same logical id everywhere, so that environments can be compared."""
    for resource in assembly.all():
        assert not re.search(rf"{assembly.name}(?![a-z])", resource.logical_id, re.IGNORECASE)


def test_stacks_are_named_after_their_environment(assembly: Assembly) -> None:
    """One account can hold all environments."""
    manifest = json.loads((assembly.folder / "manifest.json").read_text(encoding="utf-8"))
    stacks = {
        artifact["properties"]["stackName"]
        for artifact in manifest["artifacts"].values()
        if artifact["type"] == "aws:cloudformation:stack"
    }
    assert stacks == {f"Steersman-{assembly.name.capitalize()}-{name}" for name in TEMPLATES}


def test_synthesis_asks_aws_nothing(assembly: Assembly) -> None:
    """No account, region or look-up is baked in: the same templates go anywhere."""
    manifest = json.loads((assembly.folder / "manifest.json").read_text(encoding="utf-8"))
    assert not manifest.get("missing")
    for artifact in manifest["artifacts"].values():
        if artifact["type"] == "aws:cloudformation:stack":
            assert artifact["environment"] == "aws://unknown-account/unknown-region"


def test_an_unknown_environment_is_refused_with_the_known_ones() -> None:
    """A slip of the pen in a name deploys nothing."""
    with pytest.raises(ValueError, match="there is no environment 'production'; there are local, dev, prod"):
        find("production")
