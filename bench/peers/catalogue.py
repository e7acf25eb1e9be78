"""Who is measured: what each peer keeps its work in, whether that lasts, and how many tasks a run takes."""

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench.peers.environments import versions


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A peer. `durable`: a crash between two stages loses nothing, for the DAG's state is kept with the work.

    `tasks` is how many make a run of 10 to 15 seconds on two cores.
    """

    name: str
    title: str
    store: Literal["postgres", "redis"]
    durable: bool
    tasks: int

    def about(self) -> dict[str, Any]:
        """Return what the results say of it: versions, and its settings with their reasons."""
        text = (Path(__file__).parent / self.name / "peer.py").read_text()
        return {
            "title": self.title,
            "durable": self.durable,
            "versions": versions(self.name),
            "settings": (ast.get_docstring(ast.parse(text)) or "").splitlines(),
        }


PEERS = {
    kind.name: kind
    for kind in (
        Kind(name="celery", title="Celery, Redis", store="redis", durable=True, tasks=1_000),
        Kind(name="dbos", title="DBOS", store="postgres", durable=True, tasks=700),
        Kind(name="langgraph", title="LangGraph, Postgres", store="postgres", durable=True, tasks=1_400),
        Kind(name="procrastinate", title="Procrastinate", store="postgres", durable=True, tasks=1_200),
        Kind(name="dramatiq", title="Dramatiq, Redis", store="redis", durable=False, tasks=4_000),
    )
}
