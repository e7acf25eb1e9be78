"""Prices, vectors, the choice of models, and their health."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman.errors import InvalidResult, MissingSetting, Unavailable
from steersman.llm.bedrock import BedrockChat, BedrockEmbedder
from steersman.llm.choose import choose_chat, choose_embedder
from steersman.llm.embedded import WordLlamaEmbedder
from steersman.llm.fakes import FakeChat, FakeEmbedder
from steersman.llm.health import check, probe
from steersman.llm.openai import OpenAiChat, OpenAiEmbedder
from steersman.llm.port import DIMENSIONS, Prices, checked_vectors
from steersman.settings import Settings, read_settings

REQUIRED = {
    "STEERSMAN_DATABASE_URL": "postgresql://x", "STEERSMAN_REDIS_URL": "redis://x", "STEERSMAN_QUEUE_PREFIX": "q",
}  # fmt: skip


def settings(**values: str) -> Settings:
    return read_settings(
        {**REQUIRED, **{f"STEERSMAN_{name.upper()}": value for name, value in values.items()}}
    )


def test_a_call_costs_what_its_tokens_cost() -> None:
    """The cost of a call is exact to a millionth of a dollar."""
    assert Prices(Decimal("0.25"), Decimal("1.25")).cost(1_000, 400) == Decimal("0.000750")
    assert Prices().cost(10**9, 10**9) == 0


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_costs_are_never_negative_and_add_up(read: int, written: int) -> None:
    """Reading and writing are charged independently."""
    prices = Prices(Decimal(3), Decimal(15))
    assert prices.cost(read, written) == prices.cost(read, 0) + prices.cost(0, written) >= 0


@given(st.lists(st.lists(st.floats(-5, 5, width=32), min_size=DIMENSIONS, max_size=DIMENSIONS), max_size=3))
def test_vectors_are_made_unit_length(given_vectors: list[list[float]]) -> None:
    """Vectors leave the port at unit length; a vector of zeros becomes a fixed one."""
    for vector in checked_vectors(given_vectors, count=len(given_vectors)):
        assert sum(value * value for value in vector) == pytest.approx(1)


@pytest.mark.parametrize(
    "given_vectors",
    [[], [[1.0]], [[float("nan")] * DIMENSIONS], [["1"] * DIMENSIONS], ["x" * DIMENSIONS], [None]],
)
def test_vectors_of_another_form_are_nonsense(given_vectors: list[Any]) -> None:
    """Too few vectors, other dimensions, and what is no finite number are refused."""
    with pytest.raises(InvalidResult):
        checked_vectors(given_vectors, count=1)


def test_the_embedded_default_needs_nothing() -> None:
    """Without settings there is no chat model, and embedding happens in the process."""
    assert choose_chat(settings()) is None
    assert choose_embedder(settings()) is choose_embedder(settings())
    assert isinstance(choose_embedder(settings()), WordLlamaEmbedder)


def test_models_are_chosen_by_the_settings() -> None:
    """The settings choose provider and model of chat and embeddings independently."""
    openai = settings(
        llm_provider="openai", llm_model="m", llm_base_url="http://e.test/v1", embedding_provider="openai",
        embedding_model="e",
    )  # fmt: skip
    chat, embedder = choose_chat(openai), choose_embedder(openai)
    assert isinstance(chat, OpenAiChat)
    assert isinstance(embedder, OpenAiEmbedder)
    assert (chat.name, embedder.name) == ("m", "e")
    bedrock = settings(llm_provider="bedrock", llm_model="anthropic.x", embedding_provider="bedrock")
    assert isinstance(choose_chat(bedrock), BedrockChat)
    assert isinstance(choose_embedder(bedrock), BedrockEmbedder)


@pytest.mark.parametrize(
    ("values", "variable"),
    [
        ({"llm_provider": "openai", "llm_base_url": "http://e.test"}, "STEERSMAN_LLM_MODEL"),
        ({"llm_provider": "openai", "llm_model": "m"}, "STEERSMAN_LLM_BASE_URL"),
        ({"llm_provider": "bedrock"}, "STEERSMAN_LLM_MODEL"),
    ],
)
def test_an_incomplete_choice_names_the_variable(values: dict[str, str], variable: str) -> None:
    """A provider without its settings is refused with the name of the variable to set."""
    with pytest.raises(MissingSetting, match=variable):
        choose_chat(settings(**values))


def test_the_embedded_model_is_healthy() -> None:
    """With the embedded default the health of models is ok, and names them."""
    health = check(settings())
    assert health["status"] == "ok"
    assert health["embedding"]["model"] == WordLlamaEmbedder.name
    assert health["chat"]["provider"] == "embedded"


def test_a_chat_model_that_is_down_degrades() -> None:
    """A chat model that is down leaves answers possible; an embedder that is down does not."""

    def broken() -> FakeEmbedder:
        raise Unavailable("no connection")

    down = FakeChat([Unavailable("no answer within 5 s")])
    health = probe(settings(), embedder=FakeEmbedder, chat=lambda: down)
    assert (health["status"], health["chat"]["status"]) == ("degraded", "down")
    assert health["chat"]["error"] == "no answer within 5 s"
    assert probe(settings(), embedder=broken, chat=lambda: FakeChat())["status"] == "down"


def test_a_wrong_setting_shows_in_the_health() -> None:
    """A provider that is not fully configured is reported as down, with the variable to set."""
    health = check(settings(llm_provider="openai", llm_model="m"))
    assert "STEERSMAN_LLM_BASE_URL" in health["chat"]["error"]
