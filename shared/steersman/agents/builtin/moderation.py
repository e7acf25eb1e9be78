"""The agent of `answer.moderate`: scores an answer, drops what its sources do not bear out, declines a guess."""

from collections.abc import Mapping, Sequence
from typing import Any

from steersman.agents.builtin.answer import STATEMENTS, weights_of
from steersman.agents.builtin.extractive import Statement
from steersman.agents.builtin.judging import MIN_COVERAGE, NOT_ANSWERED, Verdict, judge
from steersman.agents.builtin.outcomes import Outcome, each, question_of
from steersman.agents.job import StageJob, StageResult
from steersman.errors import AgentRefused
from steersman.knowledge.passages import read_passages

_SHARE: dict[str, Any] = {"type": "number", "minimum": 0, "maximum": 1}
OUTPUT: dict[str, Any] = {
    "type": "object",
    "required": ["grounding", "coverage", "clarity", "score", "declined", "reason", "statements"],
    "properties": {
        "grounding": _SHARE,
        "coverage": _SHARE,
        "clarity": _SHARE,
        "score": _SHARE,
        "declined": {"type": "boolean"},
        "reason": {"type": ["string", "null"]},
        "statements": STATEMENTS,
    },
}


class ModerationAgent:
    """Judges by the words that question, statements and sources share; rules, no model, no I/O."""

    def run(self, jobs: Sequence[StageJob]) -> list[Outcome]:
        """Return for each job the scores of the executor's answer and the statements that stand."""
        return each(jobs, self._moderate)

    def _moderate(self, job: StageJob) -> StageResult:
        answer = job.results.get("executor")
        if answer is None:
            raise AgentRefused("there is no answer to moderate: the executor has no result")
        statements = read_statements(answer)
        weights = weights_of(question_of(job), job.results.get("embedding"))
        verdict = judge(statements, read_passages(answer), weights)
        reason = _reason(answer, verdict)
        return StageResult(output=_output(verdict, reason), quality=verdict.score)


def read_statements(output: Mapping[str, Any]) -> list[Statement]:
    """Return the statements in a stage's output, leaving out what is none."""
    found: list[Statement] = []
    given = output.get("statements")
    for one in given if isinstance(given, list) else ():
        try:
            sources = tuple(str(source) for source in one["sources"])
            found.append(
                Statement(text=str(one["text"]), sources=sources, score=float(one.get("score", 0.0)))
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
    return found


def _reason(answer: Mapping[str, Any], verdict: Verdict) -> str | None:
    if answer.get("declined"):
        return str(answer.get("decline_reason") or NOT_ANSWERED)
    if not verdict.kept or verdict.coverage < MIN_COVERAGE:
        return NOT_ANSWERED
    return None


def _output(verdict: Verdict, reason: str | None) -> dict[str, Any]:
    kept = () if reason else verdict.kept
    return {
        "grounding": verdict.grounding,
        "coverage": verdict.coverage,
        "clarity": verdict.clarity,
        "score": verdict.score,
        "declined": reason is not None,
        "reason": reason,
        "statements": [{"text": one.text, "sources": list(one.sources), "score": one.score} for one in kept],
    }
