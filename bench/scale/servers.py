"""The servers of the bench, in a folder of its own: PostgreSQL with fsync on, and Redis."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from rich.console import Console

from bench.scale.load import load
from steersman.db.migrate import migrate
from steersman.local.postgres import PostgresServer, start_postgres
from steersman.local.redis import RedisServer, start_redis

FULL = "with_history"  # the database with the history
REQUESTS_PER_MINUTE = 1_000_000_000  # requests are counted, none is refused
EMPTY = "without_history"  # one beside it, on the same server


@dataclass(frozen=True)
class Servers:
    """Running servers with a full and an empty database; `loaded` is the record of the loading."""

    folder: Path
    postgres: PostgresServer
    redis: RedisServer
    loaded: dict[str, Any]

    @property
    def full(self) -> str:
        return self.postgres.url_for(FULL)

    def environment(self) -> dict[str, str]:
        """Return the environment of a process of the functions on the full database."""
        inherited = {n: v for n, v in os.environ.items() if not n.startswith(("STEERSMAN_", "AWS_"))}
        return {
            **inherited,
            "STEERSMAN_DATABASE_URL": self.full,
            "STEERSMAN_REDIS_URL": self.redis.url,
            "STEERSMAN_QUEUE_PREFIX": "https://sqs.us-east-1.amazonaws.com/123456789012/steersman-bench-",
            "STEERSMAN_RATE_LIMIT_PER_MINUTE": str(REQUESTS_PER_MINUTE),
        }


@contextmanager
def servers(folder: Path, tasks: int, console: Console, *, keep: bool) -> Iterator[Servers]:
    """Give the servers, the history loaded; the folder goes at the end unless `keep`.

    A kept folder with as many tasks is used again. Raises SystemExit, saying what to do, for one with another count.
    """
    folder = folder.resolve()
    record = folder / "loaded.json"
    kept = json.loads(record.read_text()) if record.exists() else None
    if kept and kept["tasks"] != tasks:
        raise SystemExit(f"{folder} holds {kept['tasks']} tasks, not {tasks}: remove it, or ask for as many")
    if kept is None:
        shutil.rmtree(folder / "postgres", ignore_errors=True)  # half loaded
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with (
            start_postgres(folder / "postgres") as postgres,
            start_redis(folder / "redis", durable=False) as redis,
        ):
            console.print("… migrating")
            _migrate(postgres, new=kept is None)
            if kept is None:
                kept = load(postgres.url_for(FULL), tasks, console).told()
                record.write_text(json.dumps(kept))
            yield Servers(folder, postgres, redis, kept)
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def _migrate(postgres: PostgresServer, *, new: bool) -> None:
    for name in (FULL, EMPTY):
        if new:
            with psycopg.connect(postgres.url, autocommit=True) as connection:
                create = sql.SQL("CREATE DATABASE {} TEMPLATE template0")
                connection.execute(create.format(sql.Identifier(name)))
        migrate(postgres.url_for(name))
