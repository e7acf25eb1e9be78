"""The three servers of the local cloud, as the supervisor sees them."""

import os
from collections.abc import Mapping
from pathlib import Path

from steersman.local import emulator, postgres, postgres_files, redis
from steersman.local.processes import Identity
from steersman.local.supervisor import Part


def database(folder: Path, port: int) -> Part:
    """Return PostgreSQL with its data below `folder`."""

    def ready(identity: Identity, log: Path) -> None:
        server = postgres.PostgresServer(folder, port, identity, postgres_files.required_password(folder))
        postgres.await_postgres(server, log)

    def prepare() -> str:
        opened = postgres_files.prepare(folder)
        if not opened:
            return ""
        return (
            f"let PostgreSQL's account pass through {', '.join(map(str, opened))} (it refuses to run as root)"
        )

    return Part(
        name="database",
        title="PostgreSQL",
        port=port,
        prepare=prepare,
        command=lambda: postgres.postgres_command(folder, port),
        ready=ready,
        stop=postgres.stop_postgres,
    )


def cache(folder: Path, port: int) -> Part:
    """Return Redis with its files in `folder`."""
    return Part(
        name="cache",
        title="Redis",
        port=port,
        prepare=lambda: redis.prepare(folder),
        command=lambda: redis.redis_command(folder, port),
        ready=lambda identity, log: redis.await_redis(identity, port, log),
        stop=redis.stop_redis,
        repair=lambda log: redis.set_damaged_files_aside(folder, log),
    )


def cloud(folder: Path, port: int, passed_on: Mapping[str, str]) -> Part:
    """Return the AWS API with its state in `folder`; functions see the variables `passed_on`."""

    def ready(identity: Identity, log: Path) -> None:
        emulator.await_emulator(identity, port, log)

    return Part(
        name="cloud",
        title="the AWS emulator",
        port=port,
        prepare=lambda: emulator.prepare(folder),
        command=lambda: emulator.emulator_command(folder, port, os.environ, passed_on),
        ready=ready,
        stop=lambda process: emulator.stop_emulator(process, folder),
    )
