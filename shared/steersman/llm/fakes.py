"""In-memory models for tests, held to the same contract tests as the real ones."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from steersman.errors import SteersmanError
from steersman.llm.port import DIMENSIONS, Completion, checked_vectors


class FakeEmbedder:
    """Embeds a text as the set of its words: texts that share words are alike. Deterministic, no weights."""

    name = "fake-embedding"
    local = True

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return a unit vector for each text."""
        return checked_vectors([self._vector(text) for text in texts], count=len(texts))

    def _vector(self, text: str) -> list[float]:
        vector = [0.0] * DIMENSIONS
        for word in text.lower().split():
            vector[int.from_bytes(hashlib.sha256(word.encode()).digest()[:2], "big") % DIMENSIONS] += 1.0
        return vector


class FakeChat:
    """Answers with the given texts in turn, the last one for ever; an error among them is raised."""

    name = "fake-chat"

    def __init__(
        self, answers: Iterable[str | SteersmanError] = ("ready",), *, cost_usd: Decimal = Decimal(0)
    ) -> None:
        self._answers = list(answers)
        self._cost_usd = cost_usd
        self.prompts: list[str] = []

    def complete(
        self,
        *,
        system: str,
        prompt: str,
        schema: Mapping[str, Any] | None = None,  # noqa: ARG002  it answers what it was given
        timeout_s: float | None = None,  # noqa: ARG002  at once
    ) -> Completion:
        """Return the next answer; a token is a word."""
        self.prompts.append(prompt)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, SteersmanError):
            raise answer
        return Completion(
            text=answer,
            model=self.name,
            input_tokens=len(system.split()) + len(prompt.split()),
            output_tokens=len(answer.split()),
            cost_usd=self._cost_usd,
        )
