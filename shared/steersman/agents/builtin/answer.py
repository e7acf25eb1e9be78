"""The agent of `answer.compose`: statements that answer a question, each with the passages it rests on."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from steersman.agents.builtin import asking, extractive
from steersman.agents.builtin.extractive import Statement
from steersman.agents.builtin.judging import MIN_SUPPORT, NOT_ANSWERED
from steersman.agents.builtin.outcomes import Outcome, each, question_of
from steersman.agents.builtin.prompting import SCHEMA, SYSTEM, prompt_for, read_answer
from steersman.agents.job import StageJob, StageResult
from steersman.errors import InvalidResult, SteersmanError
from steersman.knowledge import passages as passage_form
from steersman.knowledge.passages import Passage, merged, read_passages
from steersman.knowledge.retrieval import coverage
from steersman.knowledge.terms import keywords, stems
from steersman.llm.port import ChatModel, Completion, Embedder

MODEL = "extractive-1"
MAX_PASSAGES = 10
PARALLEL = 8

STATEMENTS: dict[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["text", "sources", "score"],
        "properties": {
            "text": {"type": "string", "minLength": 1},
            "sources": {"type": "array", "items": {"type": "string"}, "minItems": 1},
            "score": {"type": "number", "minimum": 0, "maximum": 1},
        },
    },
}
OUTPUT: dict[str, Any] = {
    "type": "object",
    "required": ["statements", "passages", "declined", "model", "notes"],
    "properties": {
        "statements": STATEMENTS,
        "passages": {"type": "array", "items": passage_form.SCHEMA},
        "declined": {"type": "boolean"},
        "decline_reason": {"type": ["string", "null"]},
        "model": {"type": "string"},
        "notes": {"type": "array", "items": {"type": "string"}},
    },
}


@dataclass(frozen=True, kw_only=True)
class Material:
    """What an answer is made from: the question, its kind, its terms' weights, passages and the support they give."""

    question: str
    kind: str
    weights: Mapping[str, float]
    passages: Sequence[Passage]
    support: float


class AnswerAgent:
    """Quotes the passages; where a chat model is configured that writes, and quotation takes over when it fails."""

    def __init__(self, *, embedder: Embedder, chat: ChatModel | None = None) -> None:
        """`embedder` compares sentences with the question: a local one, since it is asked about hundreds."""
        self._embedder = embedder
        self._chat = chat

    def run(self, jobs: Sequence[StageJob]) -> list[Outcome]:
        """Return for each job its statements with their sources, or that it declines and why."""
        if self._chat is None or len(jobs) < 2:
            return each(jobs, self._answer)
        with ThreadPoolExecutor(max_workers=min(PARALLEL, len(jobs))) as pool:
            return [
                outcome for one in pool.map(lambda job: each([job], self._answer), jobs) for outcome in one
            ]

    def _answer(self, job: StageJob) -> StageResult:
        material = material_of(job)
        if not material.passages:
            return _declined("no passage was found that bears on the question")
        if self._chat is None:
            return self._quote(material, ())
        return self._write(self._chat, material, job.timeout_s)

    def _write(self, chat: ChatModel, material: Material, stage_timeout_s: float) -> StageResult:
        completion: Completion | None = None
        try:
            completion = chat.complete(
                system=SYSTEM,
                prompt=prompt_for(material.question, material.passages),
                schema=SCHEMA,
                # Half of the stage's time is left for the quotation that takes over.
                timeout_s=stage_timeout_s / 2,
            )
            composed = read_answer(completion.text, material.passages)
        except SteersmanError as exc:
            result = self._quote(material, (_note(chat, exc),))
            return _charged(result, completion) if completion else result
        if composed.declined:
            result = _declined(composed.reason or NOT_ANSWERED, model=completion.model)
        else:
            result = _answered(material, composed.statements, completion.model, ())
        return _charged(result, completion)

    def _quote(self, material: Material, notes: Sequence[str]) -> StageResult:
        if material.support < MIN_SUPPORT:
            return _declined(NOT_ANSWERED, notes=notes)
        statements = extractive.compose(
            material.passages,
            weights=material.weights,
            kind=material.kind,
            similarity=lambda texts: _similarity(self._embedder, material.question, texts),
        )
        if not statements:
            return _declined(NOT_ANSWERED, notes=notes)
        return _answered(material, statements, MODEL, notes)


def material_of(job: StageJob) -> Material:
    """Return what the earlier stages of a job found on its question."""
    question = question_of(job)
    retrieved, searched = job.results.get("embedding"), job.results.get("websearch")
    passages = merged([read_passages(retrieved), read_passages(searched)])[:MAX_PASSAGES]
    intent = job.results.get("intent") or {}
    weights = weights_of(question, retrieved)
    return Material(
        question=question,
        kind=str(intent.get("kind") or asking.kind_of(question)),
        weights=weights,
        passages=passages,
        support=_number(retrieved["support"])
        if retrieved and "support" in retrieved
        else _support(weights, passages),
    )


def weights_of(question: str, retrieved: Mapping[str, Any] | None) -> Mapping[str, float]:
    """Return the weight of each term of a question, as retrieval measured it, or all alike."""
    terms = (retrieved or {}).get("terms")
    if isinstance(terms, Mapping) and terms:
        return {str(term): _number(weight) for term, weight in terms.items()}
    return dict.fromkeys(keywords(question), 1.0)


def _support(weights: Mapping[str, float], passages: Sequence[Passage]) -> float:
    return max(
        (coverage(weights, frozenset(stems(f"{one.heading} {one.passage}"))) for one in passages), default=0.0
    )


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool) else 0.0


def _similarity(embedder: Embedder, question: str, texts: Sequence[str]) -> list[float]:
    import numpy as np

    vectors = np.asarray(embedder.embed([question, *texts]), dtype=np.float32)
    return [float(value) for value in vectors[1:] @ vectors[0]]


def _answered(
    material: Material, statements: Sequence[Statement], model: str, notes: Sequence[str]
) -> StageResult:
    cited = {source for one in statements for source in one.sources}
    return StageResult(
        output={
            "statements": [
                {"text": one.text, "sources": list(one.sources), "score": one.score} for one in statements
            ],
            "passages": [one.as_json() for one in material.passages if one.chunk_id in cited],
            "declined": False,
            "decline_reason": None,
            "model": model,
            "notes": list(notes),
        },
        model=model,
    )


def _declined(reason: str, *, model: str = MODEL, notes: Sequence[str] = ()) -> StageResult:
    output = {"statements": [], "passages": [], "declined": True, "decline_reason": reason, "model": model}
    return StageResult(output={**output, "notes": list(notes)}, model=model)


def _note(chat: ChatModel, exc: SteersmanError) -> str:
    what = "answered nonsense" if isinstance(exc, InvalidResult) else "did not answer"
    return f"The model {chat.name} {what} ({exc.message}); the embedded answerer quoted the sources instead."


def _charged(result: StageResult, completion: Completion) -> StageResult:
    return result._replace(tokens=completion.tokens, cost_usd=completion.cost_usd)
