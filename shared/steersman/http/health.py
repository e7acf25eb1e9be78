"""Whether the parts are well, asked of the parts themselves."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from time import perf_counter
from typing import Any, Literal

from aws_lambda_powertools.event_handler import Response
from pydantic import BaseModel

from steersman import __version__
from steersman.errors import SteersmanError
from steersman.http.api import problems

CONTENT_TYPE = "application/health+json"  # draft-inadarei-api-health-check-06


class HealthView(BaseModel):
    """The health of a part: `ok`, `degraded` (it works, with less) or `down`, with what was found."""

    status: Literal["ok", "degraded", "down"]
    version: str
    checks: dict[str, Any]


class Health:
    """Asks parts for their health. Each part is a function that returns findings or raises."""

    def __init__(
        self,
        *,
        database: Callable[[], Mapping[str, Any]],
        cache: Callable[[], Mapping[str, Any]],
        queues: Callable[[], Mapping[str, Any]],
        llm: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._parts = {"database": database, "cache": cache, "queues": queues, "llm": llm}

    def all(self) -> HealthView:
        """Ask the parts that every request needs, side by side; the models have their own route."""
        names = ("database", "cache", "queues")
        with ThreadPoolExecutor(len(names)) as pool:
            found = dict(zip(names, pool.map(self._check, names), strict=True))
        return _view(found)

    def database(self) -> HealthView:
        return _view({"database": self._check("database")})

    def cache(self) -> HealthView:
        return _view({"cache": self._check("cache")})

    def queues(self) -> HealthView:
        return _view({"queues": self._check("queues")})

    def llm(self) -> HealthView:
        return _view({"llm": self._check("llm")})

    def _check(self, name: str) -> dict[str, Any]:
        began = perf_counter()
        try:
            found = {"status": "ok", **self._parts[name]()}
        except SteersmanError as exc:
            found = {"status": "down", "reason": exc.message}
        return {**found, "duration_ms": round((perf_counter() - began) * 1000, 1)}


def described() -> dict[int, Any]:
    """Return the `responses` of a health route's description: a view under 200 and 503, problems otherwise."""
    view = {"content": {CONTENT_TYPE: {"model": HealthView}}}
    statuses = {status: {"description": HTTPStatus(status).phrase, **view} for status in (200, 503)}
    return {**problems(None, 200, 429), **statuses}


def answer(view: HealthView) -> Response[HealthView]:
    """Return a view as 200, or 503 when something is down."""
    status = 503 if view.status == "down" else 200
    return Response(status_code=status, content_type=CONTENT_TYPE, body=view)


def _view(found: dict[str, dict[str, Any]]) -> HealthView:
    states = {check["status"] for check in found.values()}
    status: Any = next((state for state in ("down", "degraded") if state in states), "ok")
    # The cache may be away: speed and live views suffer, nothing else.
    if status == "down" and all(
        check["status"] != "down" for name, check in found.items() if name != "cache"
    ):
        status = "degraded" if len(found) > 1 else "down"
    return HealthView(status=status, version=__version__, checks=found)
