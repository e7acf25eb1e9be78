"""Each environment is synthesised once for a whole test run, as the CDK CLI would do it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from layers import build
from tests.fixtures.servers import RUN_FOLDER
from tests.infra.assembly import Assembly, synthesise

Once = Callable[[str, Callable[[], str]], str]


@pytest.fixture(scope="session")
def assembly_of(once_per_run: Once, pytestconfig: pytest.Config) -> Callable[[str], Assembly]:
    """Return a function from an environment's name to its assembly."""
    known: dict[str, Assembly] = {}

    def find(name: str) -> Assembly:
        folder = pytestconfig.stash[RUN_FOLDER] / f"assembly-{name}"
        if name not in known:
            once_per_run(f"assembly-{name}", lambda: synthesise(name, folder))
            known[name] = Assembly(name, folder)
        return known[name]

    return find


@pytest.fixture(params=["local", "dev", "prod"])
def assembly(request: pytest.FixtureRequest, assembly_of: Callable[[str], Assembly]) -> Assembly:
    """Every environment in turn."""
    return assembly_of(request.param)


@pytest.fixture(params=["dev", "prod"])
def cloud_assembly(request: pytest.FixtureRequest, assembly_of: Callable[[str], Assembly]) -> Assembly:
    """Every environment that lives in AWS, in turn."""
    return assembly_of(request.param)


@pytest.fixture(scope="session")
def steersman_layer(once_per_run: Once, pytestconfig: pytest.Config) -> Path:
    """The built layer of the package `steersman`."""
    folder = pytestconfig.stash[RUN_FOLDER] / "steersman-layer"
    return _built(once_per_run, folder, build.steersman_layer)


@pytest.fixture(scope="session")
def dependencies_layer(once_per_run: Once, pytestconfig: pytest.Config) -> Path:
    """The built layer of third-party packages."""
    folder = pytestconfig.stash[RUN_FOLDER] / "dependencies-layer"
    return _built(once_per_run, folder, build.dependencies_layer)


def _built(once_per_run: Once, folder: Path, fill: Callable[[Path], None]) -> Path:
    def make() -> str:
        fill(folder)
        return str(folder)

    return Path(once_per_run(folder.name, make))
