"""The door to PostgreSQL: one connection per execution environment, one place that translates driver errors."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg.rows import DictRow, dict_row, tuple_row
from psycopg.types.json import set_json_dumps, set_json_loads

from steersman.db.statements import Statement
from steersman.errors import Conflict, InvalidInput, Unavailable
from steersman.json import dumps, loads

Connection = psycopg.Connection[DictRow]
T = TypeVar("T")

CONNECT_TIMEOUT_S = 15  # Aurora wakes from zero within 15 s
DEADLOCK_TRIES = 5
IDLE_S = 10.0
STATEMENT_TIMEOUT_S = 60
# Plans are made once, for any values, and go through indexes: they must stay right however the tables grow, and
# planning such statements anew costs more than running them.
STEADY_PLANS = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off"

set_json_dumps(dumps)
set_json_loads(loads)


class Database:
    """A lazily opened autocommit connection that reopens itself after a loss.

    `url` is a libpq URL. `password` is asked for at every connect (IAM tokens expire); None keeps the URL's own.
    `steady_plans` is for few statements that run often on growing tables, each served by an index.
    Errors: Unavailable when the server cannot be reached or the connection breaks, Conflict on a violated rule.
    Safe to share between threads; statements then run one after another.
    """

    def __init__(
        self, url: str, *, password: Callable[[], str] | None = None, steady_plans: bool = False
    ) -> None:
        self._url = url
        self._plans = STEADY_PLANS if steady_plans else ""
        self._password = password
        self._connection: Connection | None = None
        self._lock = threading.RLock()
        self._used_at = 0.0
        self._transactions = 0

    def run(
        self,
        statement: str | Statement,
        parameters: Mapping[str, Any] | None = None,
        *,
        repeatable: bool = False,
    ) -> list[dict[str, Any]]:
        """Run one statement in one round trip and return its rows as dicts (empty when it returns none).

        A deadlock's victim is run again. A statement whose connection breaks may have taken effect: only a
        `repeatable` one, which does no harm when it runs twice, is run again, once, on a new connection. In a
        transaction nothing is run again, for what ran before is lost too.
        """
        return self._tried(statement, parameters, repeatable, dict_row)

    def tuples(
        self,
        statement: str | Statement,
        parameters: Mapping[str, Any] | None = None,
        *,
        repeatable: bool = False,
    ) -> list[tuple[Any, ...]]:
        """Run one statement like `run` and return its rows as tuples: for many rows of few known columns."""
        return self._tried(statement, parameters, repeatable, tuple_row)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Give the connection inside a transaction: committed at the end, rolled back on any error."""
        with self._lock, translated_errors():
            connection = self._open()
            self._transactions += 1
            try:
                with connection.transaction():
                    yield connection
            finally:
                self._transactions -= 1

    def together(self, work: Callable[[], T]) -> T:
        """Return what `work`, which runs statements here, gives in one transaction.

        A deadlock's victim is done again.
        """
        for attempt in range(1, DEADLOCK_TRIES + 1):
            try:
                with self.transaction():
                    return work()
            except Unavailable as exc:
                if attempt == DEADLOCK_TRIES or not isinstance(
                    exc.__cause__, psycopg.errors.DeadlockDetected
                ):
                    raise
        raise AssertionError("unreachable")

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _lost(self) -> bool:
        return self._connection is not None and self._connection.closed

    def _tried(
        self, statement: str | Statement, parameters: Mapping[str, Any] | None, repeatable: bool, rows: Any
    ) -> list[Any]:
        with self._lock, translated_errors():
            for attempt in range(1, DEADLOCK_TRIES + 1):
                try:
                    return _rows(self._open(), statement, parameters, rows)
                except psycopg.errors.DeadlockDetected:
                    if attempt == DEADLOCK_TRIES or self._transactions:
                        raise
                except psycopg.OperationalError:
                    if attempt > 1 or not repeatable or self._transactions or not self._lost():
                        raise
            raise AssertionError("unreachable")

    def _open(self) -> Connection:
        connection = self._connection
        if connection is None or not self._usable(connection):
            self._connection = None
            password: dict[str, Any] = {"password": self._password()} if self._password else {}
            connection = self._connection = psycopg.connect(
                self._url,
                autocommit=True,
                row_factory=dict_row,
                connect_timeout=CONNECT_TIMEOUT_S,
                application_name="steersman",
                options=f"-c timezone=UTC -c statement_timeout={STATEMENT_TIMEOUT_S}s {self._plans}",
                prepare_threshold=1 if self._plans else 5,
                **password,
            )
        self._used_at = monotonic()
        return connection

    def _usable(self, connection: Connection) -> bool:
        """Say whether the connection can be used; after a silence it is asked, for servers drop idle ones."""
        if connection.closed:
            return False
        if monotonic() - self._used_at < IDLE_S:
            return True
        try:
            connection.execute("")
        except psycopg.OperationalError:
            return False
        return True


def _rows(
    connection: Connection, statement: str | Statement, parameters: Mapping[str, Any] | None, rows: Any
) -> list[Any]:
    if isinstance(statement, Statement):
        values = statement.values(parameters)
        cursor: Any = psycopg.RawCursor(connection, row_factory=rows).execute(statement.text, values)
    else:
        cursor = connection.cursor(row_factory=rows).execute(statement, parameters)
    result = cursor.pgresult  # its `description` would be made anew for each call
    return cursor.fetchall() if result is not None and result.nfields else []


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn the driver's errors into Steersman's: the one place where that happens."""
    try:
        yield
    except psycopg.errors.IntegrityError as exc:
        raise Conflict(f"the database refused a change: {exc.diag.message_primary}") from exc
    except psycopg.DataError as exc:
        # The driver's message quotes the value, which may be anybody's text.
        raise InvalidInput(f"a value cannot be stored ({type(exc).__name__})") from exc
    except (psycopg.OperationalError, psycopg.InterfaceError) as exc:
        raise Unavailable("the database does not answer; try again", retry_after_s=5) from exc
