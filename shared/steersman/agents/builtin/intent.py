"""The agent of `intent.classify`: what is asked, and what is needed to answer it."""

from collections.abc import Sequence
from typing import Any

from steersman.agents.builtin import asking
from steersman.agents.builtin.outcomes import Outcome, each, question_of
from steersman.agents.job import StageJob, StageResult

OUTPUT: dict[str, Any] = {
    "type": "object",
    "required": ["kind", "question", "sub_questions", "keywords", "language", "needs_web"],
    "properties": {
        "kind": {"enum": list(asking.KINDS)},
        "question": {"type": "string"},
        "sub_questions": {"type": "array", "items": {"type": "string"}},
        "keywords": {"type": "array", "items": {"type": "string"}},
        "language": {"type": "string"},
        "needs_web": {"type": "boolean"},
    },
}


class IntentAgent:
    """Classifies questions by their form; rules, no model, no I/O."""

    def run(self, jobs: Sequence[StageJob]) -> list[Outcome]:
        """Return the intent of each job's question."""
        return each(jobs, self._classify)

    def _classify(self, job: StageJob) -> StageResult:
        question = question_of(job)
        language = asking.language(question)
        return StageResult(
            output={
                "kind": asking.kind_of(question),
                "question": question,
                "sub_questions": asking.sub_questions(question),
                "keywords": asking.subject_words(question, language),
                "language": language,
                "needs_web": asking.needs_web(question),
            }
        )
