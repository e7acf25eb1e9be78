"""The agent of `knowledge.retrieve`: the passages of the project's documents that bear on a question."""

from collections.abc import Sequence
from typing import Any

from steersman.agents.builtin.outcomes import Outcome, question_of, together
from steersman.agents.job import StageJob, StageResult
from steersman.knowledge import passages as passage_form
from steersman.knowledge.passage_index import PassageIndex
from steersman.knowledge.passages import merged
from steersman.knowledge.search import PASSAGES, Material, Question, search
from steersman.llm.port import Embedder

MAX_SUB_QUESTIONS = 5

OUTPUT: dict[str, Any] = {
    "type": "object",
    "required": ["passages", "support"],
    "properties": {
        "passages": {"type": "array", "items": passage_form.SCHEMA},
        "support": {"type": "number", "minimum": 0, "maximum": 1},
        "terms": {"type": "object", "additionalProperties": {"type": "number"}},
    },
}


class RetrievalAgent:
    """Searches by words and by meaning; one database round trip for the whole batch."""

    def __init__(self, *, index: PassageIndex, embedder: Embedder, limit: int = PASSAGES) -> None:
        self._index = index
        self._embedder = embedder
        self._limit = limit

    def run(self, jobs: Sequence[StageJob]) -> list[Outcome]:
        """Return for each job passages, best first, the support they give (0 to 1), and its terms' weights."""
        return together(jobs, self._retrieve)

    def _retrieve(self, jobs: Sequence[StageJob]) -> list[Outcome]:
        asked = [questions_of(job) for job in jobs]
        found = iter(
            search(
                [question for questions in asked for question in questions],
                index=self._index,
                embedder=self._embedder,
                limit=self._limit,
            )
        )
        return [self._result([next(found) for _ in questions]) for questions in asked]

    def _result(self, materials: Sequence[Material]) -> StageResult:
        whole, parts = materials[0], materials[1:]
        # Every part of the question brings its best passages, whatever the scores of the other parts' are.
        share = max(2, self._limit // max(1, len(parts)))
        found = merged(
            [
                whole.passages if not parts else whole.passages[:share],
                *(one.passages[:share] for one in parts),
            ]
        )
        supports = [one.support for one in parts]
        terms = {term: weight for one in materials for term, weight in one.terms.items()}
        return StageResult(
            output={
                "passages": [one.as_json() for one in found],
                "support": max(whole.support, sum(supports) / len(supports) if supports else 0.0),
                "terms": terms,
            },
            model=self._embedder.name,
        )


def questions_of(job: StageJob) -> list[Question]:
    """Return what to search for: the whole question first, with the intent's words where there is an intent."""
    text = question_of(job)
    intent = job.results.get("intent") or {}
    words = _texts(intent.get("keywords"))
    whole = Question(project_id=job.project_id, text=text, keywords=words)
    parts = _texts(intent.get("sub_questions"))[:MAX_SUB_QUESTIONS]
    return [whole, *(Question(project_id=job.project_id, text=part) for part in parts)]


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str) and one.strip()] if isinstance(value, list) else []
