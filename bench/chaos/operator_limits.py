"""What an operator does with the budgets of a day: raises those that are spent, and lowers some to what was spent."""

import random
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from bench.chaos import metered, orders
from bench.chaos.http_events import answer_of, request
from functions.api.projects import handler

_RAISED, _LOWERED = 0.06, 0.03  # in each round of a storm: a spent budget stands for some seconds
_MORE = (800, 2_500, 8_000, 25_000)  # micro-USD: spent in a second, or in half a minute
_ROUTE = "/v1/projects/{slug}/limits"
_PATH = f"/v1/projects/{metered.PROJECT}/limits"
_SLUG = {"slug": metered.PROJECT}
_MICRO = Decimal("0.000001")


class LimitsClerk:
    """Looks at the limits of the project that has some; in the calm it takes the budgets of its day away."""

    def __init__(self, desk: orders.Desk, rng: random.Random, *, calm: bool) -> None:
        self._desk = desk
        self._rng = rng
        self._calm = calm

    def moves(self) -> tuple[Callable[[], None], ...]:
        return (self._mind_the_day,)

    def _mind_the_day(self) -> None:
        draw = self._rng.random()
        if not self._calm and draw >= _RAISED + _LOWERED:
            return
        status, body = answer_of(handler(request("GET", _PATH, route=_ROUTE, parameters=_SLUG), None))
        if status != 200:
            return
        if self._calm:
            if body["usd_per_day"] is not None or body["tokens_per_day"] is not None:
                self._set(metered.limits(None, None))
        elif _spent(body) or draw >= _RAISED:
            self._set(self._drawn(body["today"], raised=draw < _RAISED))

    def _drawn(self, today: Mapping[str, Any], *, raised: bool) -> Mapping[str, Any]:
        """Return limits of which one is reached at once, or both soon."""
        more = self._rng.choice(_MORE) if raised else 0
        usd = max(_MICRO, Decimal(today["usd"]) + more * _MICRO)
        tokens = max(1, today["tokens"] + more // 2) if self._rng.random() < 0.7 else None
        return metered.limits(str(usd), tokens)

    def _set(self, limits: Mapping[str, Any]) -> None:
        self._desk.give(handler, limited(limits), {200})


def limited(limits: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the order to set the limits of the project."""
    event = request("PUT", _PATH, route=_ROUTE, parameters=_SLUG, body=dict(limits))
    return {"event": event, "facts": {"what": "limit", "name": metered.PROJECT, "limits": dict(limits)}}


def _spent(body: Mapping[str, Any]) -> bool:
    today, usd, tokens = body["today"], body["usd_per_day"], body["tokens_per_day"]
    return (usd is not None and Decimal(today["usd"]) >= Decimal(usd)) or (
        tokens is not None and today["tokens"] >= tokens
    )
