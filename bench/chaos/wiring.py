"""The product's parts as a process of a run has them: real ones, but for the road to SQS and the agents' work."""

import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from types import ModuleType
from typing import Any

from bench.chaos.behaviour import WitnessAgent
from bench.chaos.journal import Journal
from bench.chaos.run_folder import (
    AHEAD_S,
    KNOWN_S,
    LEASE_S,
    MINUTE_S,
    MISSED_S,
    PREFIX,
    PUT_BACK_S,
    RESERVED_S,
    SWEEP_LIMIT,
    WATCHED_S,
    Run,
)
from bench.sqs.faults import Entry, Failure, ReceiverFaults, Record, SenderFaults
from bench.sqs.sender import install
from steersman import bootstrap
from steersman.agents.job import Agent
from steersman.agents.selection import Candidate
from steersman.bootstrap import Parts
from steersman.cache import slots
from steersman.projects.limits import KnownLimits
from steersman.settings import settings
from steersman.tasks import engine, gate, live, schedule_times, sweep, waiting_store
from steersman.tasks.day_budgets import DayBudgets
from steersman.tasks.words import Lane, Queue

# Shares of calls, entries and messages.
_CALLS_FAIL, _ENTRIES_FAIL = 0.02, 0.02
_TWICE, _LATE = 0.04, 0.03
_AGAIN_S = (0.0, 0.0, 0.5, 3.0, 15.0)  # 15 s: after the end of most tasks


class ChaosParts(Parts):
    """Parts whose SQS is the stand-in and whose agents are witnesses; everything else is the product's."""

    def __init__(self, run: Run, process: str, *, calm: bool) -> None:
        super().__init__(settings())
        self._run = run
        self._process = process
        self._calm = calm
        self._journal = Journal(run.journal(f"agents-{process}"))

    def aws(self, service: str) -> Any:
        client = super().aws(service)
        faults = None if self._calm else sender_faults(self._run.seed, self._process)
        install(client, self._run.sqs_url, faults)
        return client

    def _connect_agent(self, candidate: Candidate) -> Agent:
        return WitnessAgent(self._run.seed, self._process, candidate.name, self._journal)


def wire(run: Run, process: str, *, calm: bool) -> Callable[[], Parts]:
    """Have the functions of this process made of its own parts; return what gives them. Once in a process."""
    shortened: tuple[tuple[ModuleType, str, Any], ...] = (
        (engine, "LEASE_S", LEASE_S),
        (engine, "RENEW_S", LEASE_S / 3),
        (live, "WATCHED_S", WATCHED_S),
        (sweep, "LIMIT", SWEEP_LIMIT),
        (waiting_store, "AHEAD_S", AHEAD_S),
        (gate, "PUT_BACK_S", PUT_BACK_S),
        (slots, "RESERVED_S", RESERVED_S),
        (schedule_times, "LATE_S", MISSED_S),
        (schedule_times, "_EVERY", {"minute": timedelta(seconds=MINUTE_S)}),
    )
    for module, name, value in shortened:
        if hasattr(module, name):
            setattr(module, name, value)
    for init in (KnownLimits.__init__, DayBudgets.__init__):
        init.__kwdefaults__ = {**(init.__kwdefaults__ or {}), "fresh_s": KNOWN_S}
    bootstrap.Parts = lambda _: ChaosParts(run, process, calm=calm)  # type: ignore[assignment,misc]
    return bootstrap.parts


def queue_names() -> list[str]:
    """Return the names of all stage queues, the later stages' first: what is begun is ended before more is begun."""
    order = ("responses", "moderator", "executor", "websearch", "embedding", "intent", "agent")
    assert set(order) == set(Queue)
    return [f"{PREFIX}{queue}-{lane}" for lane in Lane for queue in order]


def sender_faults(seed: int, process: str) -> SenderFaults:
    """Return how a process's sends fail: whole calls in every way, and single entries of calls."""
    rng = random.Random(f"{seed}:sends:{process}")  # noqa: S311 - to be repeated, not to be secret

    def fail_call(_queue: str, _entries: Sequence[Entry]) -> Failure | None:
        return rng.choice(list(Failure)) if rng.random() < _CALLS_FAIL else None

    def fail_entries(_queue: str, entries: Sequence[Entry]) -> list[str]:
        return [entry["Id"] for entry in entries if rng.random() < _ENTRIES_FAIL]

    return SenderFaults(fail_call=fail_call, fail_entries=fail_entries)


def receiver_faults(seed: int, process: str) -> ReceiverFaults:
    """Return how messages reach a process: some twice, some late, batches in any order."""
    rng = random.Random(f"{seed}:receives:{process}")  # noqa: S311 - to be repeated, not to be secret

    def again(_queue: str, _record: Record) -> float | None:
        return rng.choice(_AGAIN_S) if rng.random() < _TWICE else None

    def late(_queue: str, _record: Record) -> float | None:
        return rng.uniform(0.1, 6.0) if rng.random() < _LATE else None

    def order(records: list[Record]) -> list[Record]:
        return rng.sample(records, len(records))

    return ReceiverFaults(again=again, late=late, order=order)
