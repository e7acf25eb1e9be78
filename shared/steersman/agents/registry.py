"""The agents that are active now, as each execution environment knows them, and how to reach one."""

import time
from collections.abc import Callable
from uuid import UUID

from steersman.agents import store
from steersman.agents.job import Agent
from steersman.agents.selection import Candidate
from steersman.db.connection import Database
from steersman.errors import NoAgent

FRESH_S = 5.0


class Registry:
    """A snapshot of the active agents, read again after `fresh_s`; agents are connected to once.

    `connect` makes a callable Agent of a candidate; `clock` gives monotonic seconds.
    """

    def __init__(
        self,
        database: Database,
        connect: Callable[[Candidate], Agent],
        *,
        fresh_s: float = FRESH_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._connect = connect
        self._fresh_s = fresh_s
        self._clock = clock
        self._candidates: tuple[Candidate, ...] = ()
        self._read_at: float | None = None
        self._connected: dict[tuple[UUID, str], Agent] = {}

    def candidates(self) -> tuple[Candidate, ...]:
        """Return the active agents, at most `fresh_s` old."""
        now = self._clock()
        if self._read_at is None or now - self._read_at > self._fresh_s:
            self._candidates = tuple(
                Candidate(
                    id=row["id"],
                    project_id=row["project_id"],
                    name=row["name"],
                    version=row["version"],
                    protocol=row["protocol"],
                    endpoint=row["endpoint"] or "",
                    shared=row["shared"],
                    capabilities=frozenset(row["capabilities"]),
                    max_concurrency=row["max_concurrency"],
                    price_per_call_usd=float(row["price_per_call_usd"]),
                )
                for row in store.active(self._database)
            )
            self._read_at = now
        return self._candidates

    def agent(self, candidate: Candidate) -> Agent:
        """Return the agent behind a candidate, ready to run; raise NoAgent when its endpoint cannot be used."""
        key = (candidate.id, candidate.endpoint)
        if key not in self._connected:
            try:
                self._connected[key] = self._connect(candidate)
            except (KeyError, ValueError, ImportError) as exc:
                reason = (
                    f"agent '{candidate.name}' cannot be used at {candidate.protocol}:{candidate.endpoint}"
                )
                raise NoAgent(reason) from exc
        return self._connected[key]
