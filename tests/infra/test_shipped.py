"""What is shipped: functions that import from the built assets alone, layers that fit Lambda."""

import ast
import re
import struct
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from importlib.metadata import distributions
from pathlib import Path

import pytest

from infra.function_table import FUNCTIONS, FunctionSpec
from layers import build
from tests.infra.assembly import ROOT, Assembly, functions

OWN = frozenset({"steersman", "functions"})
IN_LAMBDAS_RUNTIME = frozenset({"boto3", "botocore"})
AARCH64 = 183  # e_machine of ELF

IMPORT = """
import importlib, sys
sys.path[:0] = {folders!r}
module = importlib.import_module({module!r})
files = [getattr(one, "__file__", None) or "" for one in list(sys.modules.values())]
folders = tuple({folders!r})
strays = [file for file in files if file.startswith({root!r} + "/") and not file.startswith(folders)]
print(callable(module.handler), strays)
"""


@pytest.fixture(scope="session")
def functions_asset(assembly_of: Callable[[str], Assembly]) -> Path:
    """The folder that becomes the functions' code."""
    assembly = assembly_of("local")
    (key,) = {function.properties["Code"]["S3Key"] for function in functions(assembly)}
    return assembly.folder / f"asset.{key.removesuffix('.zip')}"


@pytest.mark.parametrize("spec", FUNCTIONS, ids=lambda spec: spec.name)
def test_a_handler_imports_from_the_built_assets_alone(
    spec: FunctionSpec, functions_asset: Path, steersman_layer: Path
) -> None:
    """Each handler needs its asset, the layer and third-party packages, and nothing of the repository."""
    folders = [str(functions_asset), str(steersman_layer / "python"), sysconfig.get_path("platlib")]
    script = IMPORT.format(folders=folders, module=f"functions.{spec.module}", root=str(ROOT))
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", script],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        env={},
    )
    assert (done.stdout.strip(), done.stderr) == ("True []", "")


def test_the_functions_asset_holds_entry_points_only(functions_asset: Path) -> None:
    """A change outside `functions/` does not deploy the functions' code anew."""
    assert {path.name for path in functions_asset.iterdir()} == {"functions"}
    assert not list(functions_asset.rglob("__pycache__"))


def test_the_steersman_layer_leaves_out_what_is_for_peoples_machines(steersman_layer: Path) -> None:
    """The command line and the local cloud stay at home; SQL, templates and other data are on board."""
    package = steersman_layer / "python/steersman"
    assert not build.NOT_SHIPPED & {path.name for path in package.iterdir()}
    assert list((package / "db/migrations").rglob("*.sql"))
    assert not list(package.rglob("*.pyc"))


def test_what_is_shipped_as_data_is_never_imported() -> None:
    """Packages whose compiled parts do not exist for Lambda's processor are read as data only."""
    shipped = [*build.shipped_files(), *(ROOT / "functions").rglob("*.py")]
    for file in shipped:
        if file.suffix == ".py":
            assert not build.DATA_ONLY & set(_imported(file)), file


def test_every_import_is_of_something_that_lambda_has(dependencies_layer: Path) -> None:
    """What shipped code imports, ever, is Python's, ours, in the layer, or in Lambda's runtime."""
    present = {path.name.split(".")[0] for path in (dependencies_layer / "python").iterdir()}
    allowed = present | OWN | IN_LAMBDAS_RUNTIME | sys.stdlib_module_names
    for file in (*build.shipped_files(), *(ROOT / "functions").rglob("*.py")):
        if file.suffix == ".py":
            assert set(_imported(file)) <= allowed, file


def _imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def test_the_layers_fit_into_a_function(dependencies_layer: Path, steersman_layer: Path) -> None:
    """All layers together stay well under Lambda's 250 MB unzipped."""
    total = build.unzipped_bytes(dependencies_layer) + build.unzipped_bytes(steersman_layer)
    assert total < 0.9 * build.LIMIT_BYTES


def test_compiled_modules_are_for_lambdas_processor(dependencies_layer: Path) -> None:
    """Every shared library in the layer is ELF for 64-bit ARM."""
    libraries = [path for path in dependencies_layer.rglob("*.so*") if path.is_file()]
    assert len(libraries) > 20
    for library in libraries:
        header = library.read_bytes()[:20]
        assert header[:4] == b"\x7fELF"
        assert struct.unpack("<H", header[18:20]) == (AARCH64,), library


def test_the_dependencies_layer_is_complete(dependencies_layer: Path) -> None:
    """Every locked package is in the layer, with the embedded model's weights and the database's roots."""
    lock = build.REQUIREMENTS.read_text(encoding="utf-8")
    locked = {line.split(" ")[0] for line in lock.splitlines() if re.match(r"[a-z0-9-]+==", line)}
    found = distributions(path=[str(dependencies_layer / "python")])
    assert {f"{one.metadata['Name'].lower().replace('_', '-')}=={one.version}" for one in found} == locked
    assert (
        dependencies_layer / "python/wordllama/weights/l2_supercat_256.safetensors"
    ).stat().st_size > 1_000_000
    assert "us-east-1 Root CA RSA2048 G1" in (dependencies_layer / "certificates/rds.pem").read_text(
        encoding="utf-8"
    )
