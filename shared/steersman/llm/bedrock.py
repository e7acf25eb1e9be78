"""Amazon Bedrock: chat by `converse`, embeddings by Titan Text Embeddings V2 at 256 dimensions."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import orjson

from steersman.errors import AgentRefused, AgentThrottled, InvalidResult, Unavailable
from steersman.json import dumps_text
from steersman.llm.port import DIMENSIONS, Completion, Prices, checked_vectors

MAX_TOKENS = 1_500
PARALLEL = 8
EMBEDDING_MODEL = "amazon.titan-embed-text-v2:0"
MAX_EMBEDDED_CHARACTERS = 40_000

# What passes by itself; any other refusal is about the request, the model or the right to use it.
_THROTTLING = "ThrottlingException ServiceQuotaExceededException"
_PASSING = """
ServiceUnavailableException InternalServerException ModelTimeoutException ModelErrorException ModelNotReadyException
"""


@cache
def bedrock_client(timeout_s: float) -> Any:
    """Return a Bedrock run-time client that waits at most `timeout_s` and tries once: the stage has its own retries."""
    import boto3
    from botocore.config import Config

    limits = Config(
        connect_timeout=min(5.0, timeout_s), read_timeout=timeout_s, retries={"total_max_attempts": 1}
    )
    return boto3.client("bedrock-runtime", config=limits)


class BedrockChat:
    """A chat model behind `converse`; `client` gives the boto3 client that waits at most so many seconds."""

    def __init__(
        self, client: Callable[[float], Any], *, model: str, prices: Prices, timeout_s: float = 20.0
    ) -> None:
        self.name = model
        self._client = client
        self._prices = prices
        self._timeout_s = timeout_s

    def complete(
        self,
        *,
        system: str,
        prompt: str,
        schema: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> Completion:
        """Return the model's answer. `converse` takes no schema: it is put into the system text."""
        form = f"\nAnswer with JSON of this schema only: {dumps_text(schema)}" if schema else ""
        answer = _call(
            self._client(min(self._timeout_s, timeout_s or self._timeout_s)).converse,
            modelId=self.name,
            system=[{"text": system + form}],
            messages=[{"role": "user", "content": [{"text": prompt}]}],
            inferenceConfig={"maxTokens": MAX_TOKENS, "temperature": 0.0},
        )
        try:
            text = "".join(part.get("text", "") for part in answer["output"]["message"]["content"])
            read, written = int(answer["usage"]["inputTokens"]), int(answer["usage"]["outputTokens"])
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise InvalidResult("Bedrock answered without a completion") from exc
        return Completion(
            text=text,
            model=self.name,
            input_tokens=read,
            output_tokens=written,
            cost_usd=self._prices.cost(read, written),
        )


class BedrockEmbedder:
    """Titan Text Embeddings V2; it takes one text in a call, so several calls run at once."""

    local = False

    def __init__(
        self, client: Callable[[float], Any], *, model: str = EMBEDDING_MODEL, timeout_s: float = 20.0
    ) -> None:
        self.name = model
        self._client = client
        self._timeout_s = timeout_s

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return a unit vector for each text."""
        if not texts:
            return []
        client = self._client(self._timeout_s)
        with ThreadPoolExecutor(max_workers=min(PARALLEL, len(texts))) as pool:
            given = list(pool.map(lambda text: self._one(client, text), texts))
        return checked_vectors(given, count=len(texts))

    def _one(self, client: Any, text: str) -> Any:
        body = {
            "inputText": text[:MAX_EMBEDDED_CHARACTERS] or " ",
            "dimensions": DIMENSIONS,
            "normalize": True,
        }
        answer = _call(
            client.invoke_model, modelId=self.name, body=dumps_text(body), contentType="application/json"
        )
        try:
            return orjson.loads(answer["body"].read())["embedding"]
        except (KeyError, TypeError, ValueError) as exc:
            raise InvalidResult("Bedrock answered without an embedding") from exc


def _call(operation: Callable[..., Any], **request: Any) -> Any:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return operation(**request)
    except ClientError as exc:
        code = exc.response.get("Error", {}).get("Code", "unknown error")
        if code in _THROTTLING.split():
            raise AgentThrottled(f"Bedrock answered {code}") from exc
        if code in _PASSING.split():
            raise Unavailable(f"Bedrock answered {code}") from exc
        raise AgentRefused(f"Bedrock refused the request: {code}") from exc
    except BotoCoreError as exc:
        raise Unavailable(f"Bedrock does not answer: {type(exc).__name__}") from exc
