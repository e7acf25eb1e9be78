"""What every test can ask for: see tests/fixtures."""

import gc

pytest_plugins = [
    "tests.fixtures.servers",
    "tests.fixtures.databases",
    "tests.fixtures.caches",
    "tests.fixtures.aws",
    "tests.fixtures.engine",
    "tests.fixtures.desk",
    "tests.fixtures.functions",
]


def pytest_collection_finish() -> None:
    """Turn the garbage collector on again, which `functions` turns off for its import (docs/adr/0007)."""
    gc.enable()
