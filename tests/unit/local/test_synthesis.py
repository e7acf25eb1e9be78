"""When the CDK app is synthesised again, and what an assembly says."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from steersman.local.synthesis import assembly_digest, fingerprint, stack_parameters


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for place in (
        "infra/app.py",
        "functions/api/tasks.py",
        "shared/steersman/ids.py",
        "shared/steersman/local/x.py",
    ):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(place)
    (tmp_path / "cdk.json").write_text("{}")
    return tmp_path


def edit(root: Path) -> None:
    (root / "infra/app.py").write_text("other")


def add(root: Path) -> None:
    (root / "functions/new.py").write_text("")


def remove(root: Path) -> None:
    (root / "cdk.json").unlink()


def move(root: Path) -> None:
    (root / "functions/api/tasks.py").rename(root / "functions/api/work.py")


@pytest.mark.parametrize("change", [edit, add, remove, move])
def test_a_changed_input_changes_the_fingerprint(root: Path, change: Callable[[Path], None]) -> None:
    """Editing, adding, removing or moving an input makes the kept assembly stale."""
    before = fingerprint(root, "local")
    change(root)
    assert fingerprint(root, "local") != before


def touch(root: Path) -> None:
    (root / "infra/app.py").touch()


def compile_(root: Path) -> None:
    (root / "infra/__pycache__").mkdir()
    (root / "infra/__pycache__/app.pyc").write_text("")


def document(root: Path) -> None:
    (root / "README.md").write_text("")


def local(root: Path) -> None:
    (root / "shared/steersman/local/x.py").write_text("other")


@pytest.mark.parametrize("change", [touch, compile_, document, local])
def test_what_is_not_deployed_does_not_change_the_fingerprint(
    root: Path, change: Callable[[Path], None]
) -> None:
    """Times, compiled files, documents and the local cloud's own code cause no synthesis."""
    before = fingerprint(root, "local")
    change(root)
    assert fingerprint(root, "local") == before


def test_each_environment_has_a_fingerprint_of_its_own(root: Path) -> None:
    """An assembly of one environment is never taken for another's."""
    assert fingerprint(root, "local") != fingerprint(root, "dev")


def _assembly(folder: Path) -> Path:
    folder.mkdir()
    template = {"Parameters": {"DatabaseUrl": {"Type": "String"}}, "Resources": {}}
    (folder / "Services.template.json").write_text(json.dumps(template))
    artifact = {"type": "aws:cloudformation:stack", "properties": {"templateFile": "Services.template.json"}}
    named = {**artifact, "properties": {**artifact["properties"], "stackName": "Steersman-Local-Services"}}
    manifest = {
        "version": "1",
        "artifacts": {"Services": named, "Plain": artifact, "Tree": {"type": "cdk:tree"}},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_parameters_are_found_by_stack_name(tmp_path: Path) -> None:
    """Each stack's parameters are known by the name CloudFormation gives it, not by its construct's."""
    found = stack_parameters(_assembly(tmp_path / "out"))
    assert found == {"Steersman-Local-Services": {"DatabaseUrl"}, "Plain": {"DatabaseUrl"}}


def test_an_assembly_with_another_asset_is_another(tmp_path: Path) -> None:
    """New code changes what would be deployed even where the templates are equal."""
    folder = _assembly(tmp_path / "out")
    before = assembly_digest(folder)
    (folder / "asset.0123").mkdir()
    assert assembly_digest(folder) != before
