"""The servers of a run: PostgreSQL with fsync on, the product's Redis, and one more that holds the queues."""

import signal
import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import redis

from bench.chaos import metered, templates
from bench.chaos.witness import install_witness
from steersman.db.connection import Database
from steersman.db.migrate import migrate
from steersman.errors import Unavailable
from steersman.local.postgres import PostgresServer, start_postgres
from steersman.local.processes import find
from steersman.local.redis import RedisServer, start_redis
from steersman.seed import seed

STOP_LIMIT_S = 30.0
NIGHT_TRIES = 20
DOWN_S = 1.0
_EARLIER = """
    UPDATE agent_performance SET bucket_start = bucket_start - make_interval(days => %(days)s)
    WHERE bucket_start >= date_trunc('day', now(), 'UTC')"""


class Servers:
    """Servers of one's own below `folder`, on ports that stay theirs when they are restarted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._nights = 0
        with ExitStack() as stack:
            self.postgres = start_postgres(folder / "postgres")
            stack.callback(lambda: self.postgres.stop())
            self.redis = start_redis(folder / "redis")
            stack.callback(lambda: self.redis.stop())
            self.sqs: RedisServer = start_redis(folder / "sqs")
            stack.callback(lambda: self.sqs.stop())
            self._prepare()
            self._stack = stack.pop_all()

    def restart_postgres(self) -> None:
        """Stop PostgreSQL as `pg_ctl stop -m immediate` does (SIGQUIT: no shutdown, no checkpoint) and start it."""
        process = find(self.postgres.identity)
        if process is not None:
            process.send_signal(signal.SIGQUIT)
            _await_end(self.postgres, process)
        self.postgres = start_postgres(self._folder / "postgres", self.postgres.port)

    def restart_redis(self) -> None:
        """Stop the product's Redis and start it again a second later; what it held is there again."""
        self.redis.stop()
        threading.Event().wait(DOWN_S)
        self.redis = start_redis(self._folder / "redis", self.redis.port)

    def empty_redis(self) -> None:
        """Forget everything that the product's Redis holds."""
        with redis.Redis.from_url(self.redis.url) as client:
            client.flushall()

    def end_day(self) -> None:
        """Have the day of all budgets be over: what was spent until now was spent on an earlier day.

        Each time by a year more, so that those of one day do not meet those of another.
        """
        database = Database(self.postgres.url)
        self._nights += 1
        try:
            for left in reversed(range(NIGHT_TRIES)):
                try:
                    database.run(_EARLIER, {"days": 365 * self._nights})
                    return
                except Unavailable:  # workers count in the same rows
                    if not left:
                        raise
                    threading.Event().wait(DOWN_S)
        finally:
            database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _prepare(self) -> None:
        migrate(self.postgres.url)
        database = Database(self.postgres.url)
        try:
            seed(database)
            templates.publish(database)
            metered.set_up(database)
            install_witness(database)
        finally:
            database.close()


def _await_end(server: PostgresServer, process: psutil.Process) -> None:
    """Wait for the server to be gone; whoever started it must collect it, and that is this process."""
    try:
        process.wait(STOP_LIMIT_S)
    except psutil.TimeoutExpired as exc:
        raise RuntimeError(
            f"PostgreSQL ignored SIGQUIT; see {server.folder / 'postgres.log'}, and stop it by hand"
        ) from exc
