"""What every test can ask for: see tests/fixtures."""

pytest_plugins = [
    "tests.fixtures.servers",
    "tests.fixtures.databases",
    "tests.fixtures.caches",
    "tests.fixtures.aws",
    "tests.fixtures.engine",
    "tests.fixtures.functions",
]
