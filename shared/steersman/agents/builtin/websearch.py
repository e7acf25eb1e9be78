"""The agent of `web.search`: passages from the web, or from other documents of the project."""

from collections.abc import Sequence
from typing import Any

from steersman.agents.builtin.outcomes import Outcome, as_agent_error, together
from steersman.agents.builtin.retrieval import questions_of
from steersman.agents.job import StageJob, StageResult
from steersman.knowledge import passages as passage_form
from steersman.knowledge.web_search import WebSearch

OUTPUT: dict[str, Any] = {
    "type": "object",
    "required": ["passages"],
    "properties": {"passages": {"type": "array", "items": passage_form.SCHEMA}},
}


class WebSearchAgent:
    """Searches through the search port, the questions of a batch together."""

    def __init__(self, *, search: WebSearch) -> None:
        self._search = search

    def run(self, jobs: Sequence[StageJob]) -> list[Outcome]:
        """Return the passages found for each job, best first."""
        return together(jobs, self._find)

    def _find(self, jobs: Sequence[StageJob]) -> list[Outcome]:
        found = self._search.find([questions_of(job)[0] for job in jobs])
        return [
            as_agent_error(one)
            if isinstance(one, Exception)
            else StageResult(output={"passages": [passage.as_json() for passage in one]})
            for one in found
        ]
