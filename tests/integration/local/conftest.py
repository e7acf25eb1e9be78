"""A small repository with an app of its own, so that the local cloud is tried without the real one."""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from steersman.local.cloud import LocalCloud
from steersman.local.ports import free_port
from steersman.local.records import exclusive
from steersman.local.settings import LocalSettings
from steersman.local.tools import Programs, install_cdk

ROOT = Path(__file__).parents[3]
APP = Path(__file__).parent / "app.py"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the account of a database server can reach, which pytest's own is not."""
    with tempfile.TemporaryDirectory(prefix="steersman-local-") as name:
        yield Path(name).resolve()


@pytest.fixture(scope="session")
def cdk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the installed CDK CLI."""
    place = tmp_path_factory.mktemp("cdk")
    with exclusive(place / "lock", patience_s=0) as held:
        install_cdk(ROOT, Programs(held), log=place / "npm.log")
    return ROOT / "node_modules"


@pytest.fixture
def repository(folder: Path, cdk: Path) -> Path:
    """A repository whose app is two resources and one parameter, synthesised without the CDK's library."""
    return make_repository(folder, cdk)


@pytest.fixture
def new_cloud(repository: Path) -> Iterator[LocalCloud]:
    """A local cloud on free ports that was never up; down at the end whatever happened."""
    with closing_cloud(repository, free_ports()) as cloud:
        yield cloud


@pytest.fixture(scope="session")
def deployed(cdk: Path) -> Iterator[tuple[Path, LocalSettings]]:
    """The state of a local cloud that was up and is down again, for copies: making one takes seconds."""
    settings = free_ports()
    with tempfile.TemporaryDirectory(prefix="steersman-local-") as name:
        with closing_cloud(make_repository(Path(name).resolve(), cdk), settings) as cloud:
            cloud.up()
        yield cloud.folder, settings


@pytest.fixture
def cloud(repository: Path, deployed: tuple[Path, LocalSettings]) -> Iterator[LocalCloud]:
    """A local cloud on free ports that is down after it was deployed once."""
    folder, settings = deployed
    # Not shutil: the owner of the database's files matters.
    subprocess.run(["cp", "-a", str(folder), str(repository / folder.name)], check=True)
    with closing_cloud(repository, settings) as copy:
        yield copy


def free_ports() -> LocalSettings:
    return LocalSettings(database_port=free_port(), cache_port=free_port(), cloud_port=free_port())


def make_repository(folder: Path, cdk: Path) -> Path:
    (folder / "infra").mkdir()
    (folder / "infra/__init__.py").touch()
    shutil.copy(APP, folder / "infra/app.py")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / name, folder)
    (folder / "node_modules").symlink_to(cdk)
    return folder


@contextlib.contextmanager
def closing_cloud(repository: Path, settings: LocalSettings) -> Iterator[LocalCloud]:
    cloud = LocalCloud(repository, settings)
    try:
        yield cloud
    finally:
        cloud.down()
