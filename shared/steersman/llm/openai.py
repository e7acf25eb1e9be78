"""Any endpoint that speaks the OpenAI chat and embeddings API: Ollama, vLLM, a gateway, the original."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from steersman.errors import AgentRefused, AgentThrottled, InvalidResult, Unavailable
from steersman.llm.port import DIMENSIONS, Completion, Prices, checked_vectors
from steersman.retry_after import retry_after_s

if TYPE_CHECKING:
    import httpx

EMBEDDINGS_PER_CALL = 128
MAX_TOKENS = 1_500


class OpenAiEndpoint:
    """One endpoint: its address up to and with `/v1`, its key, its time limit. Opens its connections at first use."""

    def __init__(self, base_url: str, *, api_key: Callable[[], str], timeout_s: float) -> None:
        self._base_url = base_url.rstrip("/")
        self._api_key = api_key
        self._timeout_s = timeout_s
        self._client: httpx.Client | None = None

    def post(self, path: str, body: Mapping[str, Any], *, timeout_s: float | None = None) -> Any:
        """Return the JSON that the endpoint answers to `body`.

        Raises AgentThrottled (429), Unavailable (no answer in time, its own failure), AgentRefused (it refuses this
        request, key or model), InvalidResult (no JSON).
        """
        import httpx

        limit = min(self._timeout_s, timeout_s or self._timeout_s)
        try:
            response = self._opened().post(
                f"{self._base_url}{path}", json=body, timeout=limit, headers=self._authorization()
            )
        except httpx.TimeoutException as exc:
            raise Unavailable(f"no answer within {limit:g} s") from exc
        except httpx.HTTPError as exc:
            raise Unavailable(f"no connection: {type(exc).__name__}") from exc
        _refuse(response.status_code, response.headers.get("retry-after"))
        try:
            return response.json()
        except ValueError as exc:
            raise InvalidResult("the endpoint answered something that is not JSON") from exc

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _authorization(self) -> dict[str, str]:
        key = self._api_key()
        return {"Authorization": f"Bearer {key}"} if key else {}

    def _opened(self) -> "httpx.Client":
        import httpx

        if self._client is None:
            self._client = httpx.Client(follow_redirects=False)
        return self._client


def _refuse(status: int, retry_after: str | None) -> None:
    wait = retry_after_s(retry_after)
    if status == 429:
        raise AgentThrottled("the endpoint answered with status 429", retry_after_s=wait)
    if status >= 500:
        raise Unavailable(f"the endpoint answered with status {status}", retry_after_s=wait)
    if status != 200:
        raise AgentRefused(f"the endpoint refused the request with status {status}")


class OpenAiChat:
    """A chat model behind `/chat/completions`."""

    def __init__(self, endpoint: OpenAiEndpoint, *, model: str, prices: Prices) -> None:
        self.name = model
        self._endpoint = endpoint
        self._prices = prices

    def complete(
        self,
        *,
        system: str,
        prompt: str,
        schema: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> Completion:
        """Return the model's first choice, with the tokens that the endpoint counted."""
        body: dict[str, Any] = {
            "model": self.name,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": prompt}],
            "temperature": 0,
            "max_tokens": MAX_TOKENS,
        }
        if schema is not None:
            named = {"name": "answer", "schema": dict(schema), "strict": False}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        return self._completion(self._endpoint.post("/chat/completions", body, timeout_s=timeout_s))

    def close(self) -> None:
        """Close the connections of the endpoint."""
        self._endpoint.close()

    def _completion(self, answer: Any) -> Completion:
        try:
            text = answer["choices"][0]["message"]["content"]
            usage = answer.get("usage") or {}
            read, written = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
            model = str(answer.get("model") or self.name)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as exc:
            raise InvalidResult("the endpoint answered without a completion") from exc
        if not isinstance(text, str):
            raise InvalidResult("the endpoint answered a completion without text")
        return Completion(
            text=text,
            model=model,
            input_tokens=read,
            output_tokens=written,
            cost_usd=self._prices.cost(read, written),
        )


class OpenAiEmbedder:
    """An embedding model behind `/embeddings` that can be asked for 256 dimensions."""

    local = False

    def __init__(self, endpoint: OpenAiEndpoint, *, model: str) -> None:
        self.name = model
        self._endpoint = endpoint

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return a unit vector for each text, EMBEDDINGS_PER_CALL texts in a call."""
        vectors: list[list[float]] = []
        for start in range(0, len(texts), EMBEDDINGS_PER_CALL):
            vectors.extend(self._call([text or " " for text in texts[start : start + EMBEDDINGS_PER_CALL]]))
        return vectors

    def _call(self, texts: list[str]) -> list[list[float]]:
        body = {"model": self.name, "input": texts, "dimensions": DIMENSIONS, "encoding_format": "float"}
        answer = self._endpoint.post("/embeddings", body)
        try:
            rows = sorted(answer["data"], key=lambda row: row["index"])
            given = [row["embedding"] for row in rows]
        except (KeyError, TypeError) as exc:
            raise InvalidResult("the endpoint answered without embeddings") from exc
        return checked_vectors(given, count=len(texts))
