"""Every model behind the port keeps the same contract: the real adapters, and the fakes that stand for them."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from steersman.llm.bedrock import BedrockChat, BedrockEmbedder
from steersman.llm.embedded import WordLlamaEmbedder
from steersman.llm.fakes import FakeChat, FakeEmbedder
from steersman.llm.openai import OpenAiChat, OpenAiEmbedder, OpenAiEndpoint
from steersman.llm.port import DIMENSIONS, ChatModel, Embedder, Prices
from tests.integration.llm.openai_server import serving
from tests.integration.llm.stubbed_bedrock import StubbedBedrock

PRICES = Prices(Decimal("0.5"), Decimal("1.5"))


@pytest.fixture
def endpoint() -> Iterator[OpenAiEndpoint]:
    with serving() as server:
        endpoint = OpenAiEndpoint(server.url, api_key=lambda: "key", timeout_s=10)
        yield endpoint
        endpoint.close()


@pytest.fixture(params=["fake", "wordllama", "openai", "bedrock"])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    match request.param:
        case "fake":
            return FakeEmbedder()
        case "wordllama":
            return WordLlamaEmbedder()
        case "openai":
            return OpenAiEmbedder(request.getfixturevalue("endpoint"), model="small")
        case _:
            return BedrockEmbedder(lambda _: StubbedBedrock())


@pytest.fixture(params=["fake", "openai", "bedrock"])
def chat(request: pytest.FixtureRequest) -> ChatModel:
    match request.param:
        case "fake":
            return FakeChat(["You said: hello"], cost_usd=Decimal("0.0008"))
        case "openai":
            return OpenAiChat(request.getfixturevalue("endpoint"), model="tiny", prices=PRICES)
        case _:
            return BedrockChat(lambda _: StubbedBedrock(), model="tiny", prices=PRICES)


def test_vectors_have_256_dimensions_and_unit_length(embedder: Embedder) -> None:
    """Each text gets one vector of 256 floats with length 1, in the order of the texts."""
    texts = ["rate limits", "progress bars", "rate limits", "", " ", "日本語", "x" * 50_000]
    vectors = embedder.embed(texts)
    assert [len(vector) for vector in vectors] == [DIMENSIONS] * len(texts)
    for vector in vectors:
        assert sum(value * value for value in vector) == pytest.approx(1, abs=1e-4)
    assert vectors[0] == pytest.approx(vectors[2])


def test_nothing_to_embed_gives_nothing(embedder: Embedder) -> None:
    """No texts give no vectors."""
    assert embedder.embed([]) == []


def test_likeness_shows(embedder: Embedder) -> None:
    """Texts that share words are nearer to each other than to a text that shares none."""
    one, like, other = embedder.embed(
        ["limit the rate of calls", "the rate limit of calls", "purple elephants sing"]
    )
    near = sum(a * b for a, b in zip(one, like, strict=True))
    far = sum(a * b for a, b in zip(one, other, strict=True))
    assert near > far


def test_more_texts_than_fit_a_call(embedder: Embedder) -> None:
    """A number of texts that needs several calls comes back whole and in order."""
    texts = [f"text number {n}" for n in range(300)]
    vectors = embedder.embed(texts)
    assert len(vectors) == 300
    assert vectors[299] == pytest.approx(embedder.embed([texts[299]])[0], abs=1e-5)


def test_every_embedder_has_a_name(embedder: Embedder) -> None:
    """The name tells vectors of one model from those of another."""
    assert embedder.name


def test_a_completion_tells_text_model_tokens_and_cost(chat: ChatModel) -> None:
    """A completion says what was written, by which model, for how many tokens and how much."""
    completion = chat.complete(system="Be brief.", prompt="hello", schema={"type": "object"}, timeout_s=5)
    assert completion.text == "You said: hello"
    assert completion.model
    assert completion.tokens == completion.input_tokens + completion.output_tokens > 0
    assert completion.cost_usd == Decimal("0.0008")
