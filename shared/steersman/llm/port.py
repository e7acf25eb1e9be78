"""The port to models: texts to vectors, and prompts to completions."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from steersman.errors import InvalidResult

DIMENSIONS = 256


class Embedder(Protocol):
    """Turns texts into unit vectors of DIMENSIONS floats; vectors of different `name`s cannot be compared.

    `local` says that embedding costs nothing and calls nobody.
    Errors: Unavailable when the model does not answer, InvalidResult when it answers nonsense, AgentRefused when it
    will never take this request.
    """

    @property
    def name(self) -> str: ...

    @property
    def local(self) -> bool: ...

    def embed(self, texts: Sequence[str]) -> list[list[float]]: ...


@dataclass(frozen=True, kw_only=True)
class Completion:
    """What a chat model wrote, what it read and wrote in tokens, and what that cost."""

    text: str
    model: str
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens


class ChatModel(Protocol):
    """Completes a prompt; with a JSON `schema` the answer is asked to be JSON of that form, and is not checked.

    `timeout_s` may shorten the model's own limit. Errors as those of Embedder.
    """

    @property
    def name(self) -> str: ...

    def complete(
        self,
        *,
        system: str,
        prompt: str,
        schema: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> Completion: ...


@dataclass(frozen=True)
class Prices:
    """What a model costs, in USD per million tokens."""

    input_usd: Decimal = Decimal(0)
    output_usd: Decimal = Decimal(0)

    def cost(self, input_tokens: int, output_tokens: int) -> Decimal:
        """Return the price of one call in USD, to a millionth."""
        total = self.input_usd * input_tokens + self.output_usd * output_tokens
        return (total / 1_000_000).quantize(Decimal("0.000001"))


def checked_vectors(given: Sequence[Any], *, count: int) -> list[list[float]]:
    """Return a model's vectors at unit length; raise InvalidResult unless they are `count` of DIMENSIONS floats."""
    if len(given) != count:
        raise InvalidResult(f"the model answered {len(given)} vectors for {count} texts")
    return [_unit(vector) for vector in given]


def _unit(vector: Any) -> list[float]:
    if not isinstance(vector, list) or len(vector) != DIMENSIONS:
        raise InvalidResult(f"the model answered a vector that has not {DIMENSIONS} dimensions")
    if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in vector):
        raise InvalidResult("the model answered a vector that has not only finite numbers")
    length = math.sqrt(sum(value * value for value in vector))
    if length == 0:
        return [1.0, *([0.0] * (DIMENSIONS - 1))]
    return [value / length for value in vector]
