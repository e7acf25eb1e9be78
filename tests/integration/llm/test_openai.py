"""An OpenAI-compatible endpoint: what is sent, and what becomes of its failures."""

import threading
import time
from collections.abc import Iterator

import pytest

from steersman.errors import AgentRefused, AgentThrottled, InvalidResult, SteersmanError, Unavailable
from steersman.llm.openai import OpenAiChat, OpenAiEmbedder, OpenAiEndpoint
from steersman.llm.port import Prices
from tests.integration.llm.openai_server import OpenAiServer, serving


@pytest.fixture
def server() -> Iterator[OpenAiServer]:
    with serving() as running:
        yield running


@pytest.fixture
def endpoint(server: OpenAiServer) -> Iterator[OpenAiEndpoint]:
    endpoint = OpenAiEndpoint(server.url, api_key=lambda: "secret", timeout_s=10)
    yield endpoint
    endpoint.close()


@pytest.fixture
def chat(endpoint: OpenAiEndpoint) -> OpenAiChat:
    return OpenAiChat(endpoint, model="tiny", prices=Prices())


def test_the_request_is_the_apis(server: OpenAiServer, chat: OpenAiChat, endpoint: OpenAiEndpoint) -> None:
    """Chat and embeddings are asked for at their paths, with the key, the model, the schema and 256 dimensions."""
    chat.complete(system="S", prompt="P", schema={"type": "object"})
    OpenAiEmbedder(endpoint, model="small").embed(["text"])
    (path, body, key), (embeddings, asked, _) = server.requests
    assert (path, embeddings, key) == ("/v1/chat/completions", "/v1/embeddings", "Bearer secret")
    assert body["messages"] == [{"role": "system", "content": "S"}, {"role": "user", "content": "P"}]
    assert body["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert (asked["model"], asked["dimensions"], asked["input"]) == ("small", 256, ["text"])


def test_without_a_key_none_is_sent(server: OpenAiServer) -> None:
    """A local endpoint that takes no key gets no Authorization header."""
    endpoint = OpenAiEndpoint(server.url, api_key=lambda: "", timeout_s=10)
    OpenAiChat(endpoint, model="tiny", prices=Prices()).complete(system="S", prompt="P")
    endpoint.close()
    assert server.requests[0][2] is None


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, AgentRefused), (401, AgentRefused), (404, AgentRefused), (302, AgentRefused),
        (429, AgentThrottled), (500, Unavailable), (503, Unavailable),
    ],
)  # fmt: skip
def test_a_refusal_says_whether_to_try_again(
    server: OpenAiServer, chat: OpenAiChat, status: int, error: type[SteersmanError]
) -> None:
    """Overload and failures of the endpoint can be tried again; what it refuses cannot."""
    server.status, server.headers = status, {"retry-after": "7"}
    with pytest.raises(error, match=str(status)) as caught:
        chat.complete(system="S", prompt="P")
    assert caught.value.retryable is (error is not AgentRefused)
    assert caught.value.retry_after_s == (None if error is AgentRefused else 7)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [{"message": {"content": null}}]}',
        b"null",
    ],
)
def test_nonsense_is_an_invalid_result(server: OpenAiServer, chat: OpenAiChat, body: bytes) -> None:
    """An answer that is no completion is InvalidResult, whatever else it is."""
    server.body = body
    with pytest.raises(InvalidResult):
        chat.complete(system="S", prompt="P")


@pytest.mark.parametrize(
    "body", [b"{}", b'{"data": []}', b'{"data": [{"index": 0, "embedding": [1, 2]}]}', b'{"data": 3}', b"[]"]
)
def test_nonsense_vectors_are_an_invalid_result(
    server: OpenAiServer, endpoint: OpenAiEndpoint, body: bytes
) -> None:
    """An answer without one vector of 256 floats for each text is InvalidResult."""
    server.body = body
    with pytest.raises(InvalidResult):
        OpenAiEmbedder(endpoint, model="small").embed(["text"])


def test_silence_ends_at_the_time_limit(server: OpenAiServer, chat: OpenAiChat) -> None:
    """An endpoint that does not answer is given up at the limit of the call, not of the endpoint."""
    server.silent = threading.Event()
    started = time.monotonic()
    with pytest.raises(Unavailable, match=r"no answer within 0\.2 s"):
        chat.complete(system="S", prompt="P", timeout_s=0.2)
    assert time.monotonic() - started < 5


def test_nobody_there_is_unavailable() -> None:
    """An address where nothing listens is Unavailable."""
    with serving() as gone:
        url = gone.url
    endpoint = OpenAiEndpoint(url, api_key=lambda: "", timeout_s=2)
    with pytest.raises(Unavailable, match="no connection"):
        OpenAiChat(endpoint, model="tiny", prices=Prices()).complete(system="S", prompt="P")
    endpoint.close()
