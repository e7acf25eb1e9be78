"""PostgreSQL 16 from the wheel: started on the loopback and stopped.

A folder holds `data/`, `password` (0600) and `postgres.log`. Nothing here listens on a unix socket.
"""

import signal
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import psycopg
from psycopg import sql

from steersman.local.accounts import server_account
from steersman.local.errors import LocalCloudError
from steersman.local.ports import HOST, free_port
from steersman.local.postgres_files import (
    ROLE,
    data_folder,
    postgres_program,
    prepare,
    required_password,
    server_environment,
)
from steersman.local.processes import Command, Identity, find, start, stop, wait_until

DATABASE = "steersman"
_START_LIMIT_S = 60.0
_STOP_LIMIT_S = 30.0
_FAST = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
)


@dataclass(frozen=True)
class PostgresServer:
    """A running server; `url` is a libpq URL of the database `steersman`, whose owner is a superuser."""

    folder: Path
    port: int
    identity: Identity
    password: str = field(repr=False)

    @property
    def url(self) -> str:
        return self.url_for(DATABASE)

    def url_for(self, database: str) -> str:
        """Return the URL of another database of this server."""
        return database_url(self.port, self.password, database)

    def stop(self) -> None:
        """Stop the server fast but cleanly: open transactions are rolled back; returns when it is gone."""
        if (process := find(self.identity)) is not None:
            stop_postgres(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_postgres(folder: Path, port: int | None = None, *, durable: bool = True) -> PostgresServer:
    """Start a server of one's own in `folder`, made if need be, and return it when it answers.

    `port` None takes a free one. `durable=False` gives up safety against power cuts for speed: for tests.
    Raise LocalCloudError, which names the log, when it does not start.
    """
    prepare(folder, durable=durable)
    chosen = port or free_port()
    command = postgres_command(folder, chosen, durable=durable)
    server = PostgresServer(folder, chosen, start(command), required_password(folder))
    try:
        await_postgres(server, command.log)
    except BaseException:
        server.stop()
        raise
    return server


def database_url(port: int, password: str, database: str = DATABASE) -> str:
    """Return the libpq URL of a database of the local server."""
    return f"postgresql://{ROLE}:{password}@{HOST}:{port}/{database}"


def postgres_command(folder: Path, port: int, *, durable: bool = True) -> Command:
    """Return how the server is started on a prepared folder."""
    data = data_folder(folder)
    options = [
        f"listen_addresses={HOST}",
        f"port={port}",
        "unix_socket_directories=",
        "max_connections=200",
        "timezone=UTC",
        "log_timezone=UTC",
        *(() if durable else _FAST),
    ]
    return Command(
        arguments=[
            str(postgres_program("postgres")),
            "-D",
            str(data),
            *(part for o in options for part in ("-c", o)),
        ],
        folder=data,
        log=folder / "postgres.log",
        environment=server_environment(),
        owner=server_account(data),
    )


def await_postgres(server: PostgresServer, log: Path) -> None:
    """Wait until the server takes connections and has the database `steersman`, made if it is missing."""
    wait_until(
        lambda: _has_database(server),
        identity=server.identity,
        name="PostgreSQL",
        log=log,
        limit_s=_START_LIMIT_S,
    )


def stop_postgres(process: psutil.Process) -> bool:
    """Stop a server by a fast shutdown; say whether it obeyed."""
    return stop(process, ask=lambda p: p.send_signal(signal.SIGINT), patience_s=_STOP_LIMIT_S)


def _has_database(server: PostgresServer) -> bool:
    try:
        with psycopg.connect(server.url, connect_timeout=2):
            return True
    except psycopg.OperationalError as exc:
        if "password authentication failed" in str(exc):
            raise LocalCloudError(
                f"{server.folder / 'password'} is not the password of this server",
                log=server.folder / "postgres.log",
                advice="Remove that file and run `up` again: it makes a new one.",
            ) from None
        if f'database "{DATABASE}" does not exist' not in str(exc):
            return False
    with psycopg.connect(server.url_for("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    return True
