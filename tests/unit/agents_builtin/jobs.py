"""Jobs and passages for the tests of the built-in agents."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from steersman.agents.job import Provenance, StageJob
from steersman.ids import DEFAULT_PROJECT_ID, new_id
from steersman.knowledge.passages import Passage

TQDM = (
    "tqdm derives from the Arabic word taqaddum which can mean progress. "
    "Overhead is low, about 60ns per iteration. It is unit tested against regressions."
)
RICH = "Rich is a library for formatting in the terminal. It can render progress bars and tables."


def job(question: Any = "What does the name tqdm mean?", **kwargs: Any) -> StageJob:
    """Return a job that asks `question`; `results` and every other field can be given."""
    values: dict[str, Any] = {
        "task_id": new_id(),
        "project_id": DEFAULT_PROJECT_ID,
        "stage": "stage",
        "capability": "capability",
        "attempt": 1,
        "timeout_s": 30.0,
        "correlation_id": "test",
        "input": {"question": question},
    }
    return StageJob(**{**values, **kwargs})


def passage(number: int = 1, text: str = TQDM, *, title: str = "tqdm", **kwargs: Any) -> Passage:
    """Return a passage of a document; its chunk's id is made of `number`."""
    values: dict[str, Any] = {
        "chunk_id": str(UUID(int=number)),
        "document_id": str(UUID(int=1000 + number)),
        "kind": "document",
        "title": title,
        "source_uri": f"package:{title}",
        "heading": title,
        "position": 0,
        "passage": text,
        "score": 0.9,
        "dated_at": "2026-01-01T00:00:00.000Z",
    }
    return Passage(**{**values, **kwargs})


def retrieved(*passages: Passage, support: float = 0.9, **terms: float) -> Mapping[str, Any]:
    """Return the output of a retrieval that found `passages`."""
    weights = terms or {"name": 1.6, "tqdm": 3.5, "mean": 2.0}
    return {"passages": [one.as_json() for one in passages], "support": support, "terms": weights}


def provenance(stage: str, model: str | None = None) -> Provenance:
    """Return the provenance of a stage that cost a millionth of a dollar."""
    return Provenance(
        stage=stage,
        status="completed",
        agent=stage,
        model=model,
        cost_usd=Decimal("0.000001"),
        tokens=3,
        duration_ms=12,
    )
