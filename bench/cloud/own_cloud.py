"""A local cloud of this bench's own: from nothing, in a temporary folder, gone afterwards."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from steersman.local.cloud import LocalCloud
from steersman.local.ports import free_port
from steersman.local.settings import LocalSettings

ROOT = Path(__file__).parents[2]


@contextmanager
def own_cloud() -> Iterator[LocalCloud]:
    """Give a local cloud that is up, with ports of its own; raises LocalCloudError."""
    with tempfile.TemporaryDirectory(prefix="steersman-bench-") as name:
        Path(name).chmod(0o755)  # the database server runs under an account of its own
        ports = {f"{part}_port": free_port() for part in ("database", "cache", "cloud")}
        settings = LocalSettings.model_validate({"local_dir": Path(name).resolve() / "local", **ports})
        cloud = LocalCloud(ROOT, settings)
        try:
            cloud.up()
            yield cloud
        finally:
            cloud.down()
