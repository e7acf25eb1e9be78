"""Unit tests reach nothing outside their process."""

from collections.abc import Iterator

import pytest
from pytest_socket import disable_socket, enable_socket


def pytest_itemcollected(item: pytest.Item) -> None:
    """Refuse a unit test that asks for a server: database drivers open sockets unseen by pytest-socket."""
    if "server_url" in getattr(item, "fixturenames", ()):
        raise pytest.UsageError(f"{item.nodeid} uses a server: it is an integration test")


@pytest.fixture(autouse=True)
def _no_network() -> Iterator[None]:
    # Unix sockets stay: asyncio's event loop wakes itself through one.
    disable_socket(allow_unix_socket=True)
    yield
    enable_socket()
