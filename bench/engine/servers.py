"""What a run needs around it: PostgreSQL and Redis as the product has them, a Redis for the queues."""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psycopg
import redis

from bench.engine.workload import QUEUES, research_dag
from steersman.db.connection import Database
from steersman.db.migrate import migrate
from steersman.db.roles import AppRole
from steersman.ids import DEFAULT_PROJECT_ID
from steersman.local.postgres import PostgresServer, start_postgres
from steersman.local.redis import RedisServer, start_redis
from steersman.seed import seed
from steersman.tasks import templates

PREFIX = "steersman-bench-"
LANE = "standard"  # what tasks of medium priority take
QUEUE_PREFIX = f"https://sqs.us-east-1.amazonaws.com/123456789012/{PREFIX}"
REQUESTS_PER_MINUTE = 1_000_000_000  # requests are counted, none is refused
FLOOD_TASKS = 1_000_000_000  # and so are tasks: all of them keep their lane


def queue_names(lanes: Sequence[str] = (LANE,)) -> dict[str, str]:
    """Return the stage queue of each queue's name, lane by lane."""
    return {f"{PREFIX}{queue}-{lane}": str(queue) for lane in lanes for queue in QUEUES}


Fsync = Literal["everysec", "always"]


@dataclass(frozen=True)
class Servers:
    """Running servers, migrated and seeded, with the research DAG published; `folder` is gone with them."""

    folder: Path
    postgres: PostgresServer
    cache: RedisServer
    queues: RedisServer
    app_url: str

    def environment(self) -> dict[str, str]:
        """Return the environment of the functions' processes: nothing of the caller's settings."""
        inherited = {n: v for n, v in os.environ.items() if not n.startswith(("STEERSMAN_", "AWS_"))}
        return {
            **inherited,
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_DEFAULT_REGION": "us-east-1",
            "STEERSMAN_DATABASE_URL": self.app_url,
            "STEERSMAN_REDIS_URL": self.cache.url,
            "STEERSMAN_QUEUE_PREFIX": QUEUE_PREFIX,
            "STEERSMAN_RATE_LIMIT_PER_MINUTE": str(REQUESTS_PER_MINUTE),
            "STEERSMAN_FLOOD_TASKS": str(FLOOD_TASKS),
        }

    @contextmanager
    def admin(self) -> Iterator[psycopg.Connection]:
        """Give a connection of the database's owner."""
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            yield connection

    def queue_client(self) -> redis.Redis:
        return redis.Redis.from_url(self.queues.url, protocol=2)

    def settings(self) -> Mapping[str, str]:
        """Return the settings of PostgreSQL and of the queues that durability and speed depend on."""
        with self.admin() as connection:
            names = (
                "fsync",
                "synchronous_commit",
                "full_page_writes",
                "shared_buffers",
                "wal_level",
                "max_wal_size",
            )
            chosen = {
                name: str(connection.execute("SELECT current_setting(%s)", [name]).fetchone()[0])  # type: ignore[index]
                for name in names
            }
        with self.queue_client() as client:
            chosen["queues_appendfsync"] = str(client.config_get("appendfsync")["appendfsync"])
        return chosen


@contextmanager
def servers(fsync: Fsync = "everysec") -> Iterator[Servers]:
    """Start the servers in a temporary folder on disk and give them; stop them and remove it at the end.

    `fsync` is how often the queues' append-only file is brought to disk.
    """
    with ExitStack() as alive:
        name = alive.enter_context(tempfile.TemporaryDirectory(prefix="steersman-bench-"))
        folder = Path(name).resolve()
        folder.chmod(0o755)  # the database server runs under an account of its own
        postgres = alive.enter_context(start_postgres(folder / "postgres"))
        cache = alive.enter_context(start_redis(folder / "redis"))
        queues = alive.enter_context(start_redis(folder / "queues"))
        with redis.Redis.from_url(queues.url) as client:
            client.config_set("appendfsync", fsync)
        yield Servers(folder, postgres, cache, queues, _prepare(postgres))


def _prepare(postgres: PostgresServer) -> str:
    """Migrate, seed and publish the template; return the URL for the role of the functions."""
    role = AppRole(password="bench")  # noqa: S106 - of a server that lives as long as the run, on the loopback
    migrate(postgres.url, app_role=role)
    database = Database(postgres.url)
    try:
        seed(database)
        templates.publish(database, DEFAULT_PROJECT_ID, research_dag(), by="bench")
    finally:
        database.close()
    rest = postgres.url.rpartition("@")[2]
    return f"postgresql://{role.name}:{role.password}@{rest}"
