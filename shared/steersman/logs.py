"""Logs: one JSON line per fact through Powertools; never a payload, a token or a secret."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aws_lambda_powertools import Logger as PowertoolsLogger

from steersman.errors import SteersmanError
from steersman.json import dumps_text


class Logger:
    """Writes facts as JSON lines to standard error (Lambda keeps it; the local cloud waits for it)."""

    def __init__(self, service: str, level: str) -> None:
        self._logger = PowertoolsLogger(
            service=service,
            level=level,
            stream=sys.stderr,
            json_serializer=_line,
            utc=True,
            use_rfc3339=True,
        )

    def begin(self, **keys: str) -> None:
        """Start a request or batch: `keys` (correlation_id, …) are on every line until the next one."""
        self._logger.clear_state()
        self._logger.append_keys(**keys)

    @contextmanager
    def request(self, operation: str) -> Iterator[None]:
        """Put `operation` on every line inside; an error is written and goes on to the caller."""
        self.begin(operation=operation)
        try:
            yield
        except Exception as exc:
            self.error(f"{operation} failed", exc)
            raise

    def fact(self, message: str, **fields: Any) -> None:
        self._logger.info(message, extra=fields, stacklevel=3)

    def warning(self, message: str, **fields: Any) -> None:
        self._logger.warning(message, extra=fields, stacklevel=3)

    def error(self, message: str, error: BaseException) -> None:
        """Write an error with its class and place; the message too when it is ours, which never holds payloads."""
        known = {"code": error.code, "reason": error.message} if isinstance(error, SteersmanError) else {}
        place = _place(error)
        self._logger.error(message, extra={"error": type(error).__name__, "at": place, **known})


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}" if trace else ""


def _line(record: dict[str, Any]) -> str:
    """Return a record as JSON; of what has no JSON form only the type, for its text may hold anybody's data."""
    try:
        return dumps_text(record)
    except TypeError:
        return json.dumps(record, default=lambda value: type(value).__name__)
