"""The door to PostgreSQL: one connection per execution environment, one place that translates driver errors."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import set_json_dumps, set_json_loads

from steersman.errors import Conflict, Unavailable
from steersman.json import dumps, loads

Connection = psycopg.Connection[DictRow]
Result = TypeVar("Result")

CONNECT_TIMEOUT_S = 15  # Aurora wakes from zero within 15 s
DEADLOCK_TRIES = 5

set_json_dumps(dumps)
set_json_loads(loads)


class Database:
    """A lazily opened autocommit connection that reopens itself after a loss.

    `url` is a libpq URL. `password` is asked for at every connect (IAM tokens expire); None keeps the URL's own.
    Errors: Unavailable when the server cannot be reached or the connection breaks, Conflict on a violated rule.
    Safe to share between threads; statements then run one after another.
    """

    def __init__(self, url: str, *, password: Callable[[], str] | None = None) -> None:
        self._url = url
        self._password = password
        self._connection: Connection | None = None
        self._lock = threading.RLock()

    def run(self, statement: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Run one statement in one round trip and return its rows as dicts (empty when it returns none).

        A deadlock victim is run again: every statement of ours is guarded by the state it expects.
        """

        def once(connection: Connection) -> list[dict[str, Any]]:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

        return self._attempt(once)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Give the connection inside a transaction: committed at the end, rolled back on any error."""
        with self._lock, translated_errors():
            connection = self._open()
            with connection.transaction():
                yield connection

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _attempt(self, action: Callable[[Connection], Result]) -> Result:
        with self._lock, translated_errors():
            for attempt in range(1, DEADLOCK_TRIES + 1):
                fresh = self._connection is None or self._connection.broken or self._connection.closed
                try:
                    return action(self._open())
                except psycopg.errors.DeadlockDetected:
                    if attempt == DEADLOCK_TRIES:
                        raise
                except psycopg.OperationalError:
                    # A connection that the server dropped while it was idle is found out by its first use.
                    if fresh or not self._lost():
                        raise
            raise AssertionError("unreachable")

    def _lost(self) -> bool:
        return self._connection is not None and self._connection.broken

    def _open(self) -> Connection:
        if self._connection is None or self._connection.broken or self._connection.closed:
            password: dict[str, Any] = {"password": self._password()} if self._password else {}
            self._connection = psycopg.connect(
                self._url,
                autocommit=True,
                row_factory=dict_row,
                connect_timeout=CONNECT_TIMEOUT_S,
                application_name="steersman",
                options="-c timezone=UTC",
                **password,
            )
        return self._connection


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn the driver's errors into Steersman's: the one place where that happens."""
    try:
        yield
    except psycopg.errors.IntegrityError as exc:
        raise Conflict(f"the database refused a change: {exc.diag.message_primary}") from exc
    except (psycopg.OperationalError, psycopg.InterfaceError) as exc:
        raise Unavailable("the database does not answer; try again", retry_after_s=5) from exc
