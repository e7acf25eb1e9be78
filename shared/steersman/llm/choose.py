"""Which models are used, chosen by the settings."""

from collections.abc import Callable
from functools import cache
from typing import Any

from steersman.errors import MissingSetting, Unavailable
from steersman.llm.embedded import WordLlamaEmbedder
from steersman.llm.port import ChatModel, Embedder, Prices
from steersman.settings import Settings


def choose_embedder(settings: Settings) -> Embedder:
    """Return the embedder that the settings name; raise MissingSetting where they are incomplete."""
    if settings.embedding_provider == "openai":
        from steersman.llm.openai import OpenAiEmbedder

        return OpenAiEmbedder(
            _endpoint(settings), model=_required(settings.embedding_model, "EMBEDDING_MODEL")
        )
    if settings.embedding_provider == "bedrock":
        from steersman.llm.bedrock import EMBEDDING_MODEL, BedrockEmbedder, bedrock_client

        model = settings.embedding_model or EMBEDDING_MODEL
        return BedrockEmbedder(bedrock_client, model=model, timeout_s=settings.llm_timeout_s)
    return _embedded()


def choose_chat(settings: Settings) -> ChatModel | None:
    """Return the chat model that the settings name, None for the embedded answerer; raise MissingSetting."""
    prices = Prices(settings.llm_input_usd_per_million_tokens, settings.llm_output_usd_per_million_tokens)
    if settings.llm_provider == "openai":
        from steersman.llm.openai import OpenAiChat

        return OpenAiChat(
            _endpoint(settings), model=_required(settings.llm_model, "LLM_MODEL"), prices=prices
        )
    if settings.llm_provider == "bedrock":
        from steersman.llm.bedrock import BedrockChat, bedrock_client

        model = _required(settings.llm_model, "LLM_MODEL")
        return BedrockChat(bedrock_client, model=model, prices=prices, timeout_s=settings.llm_timeout_s)
    return None


@cache
def _embedded() -> WordLlamaEmbedder:
    """Return the process's embedded model: its weights are read once, whoever asks."""
    return WordLlamaEmbedder()


def _endpoint(settings: Settings) -> Any:
    from steersman.llm.openai import OpenAiEndpoint

    url = _required(settings.llm_base_url, "LLM_BASE_URL")
    return OpenAiEndpoint(url, api_key=_api_key(settings), timeout_s=settings.llm_timeout_s)


def _api_key(settings: Settings) -> Callable[[], str]:
    given = settings.llm_api_key.get_secret_value()
    if given or not settings.llm_api_key_secret:
        return lambda: given
    return cache(lambda: _secret(settings.llm_api_key_secret))


def _secret(arn: str) -> str:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return str(boto3.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
    except (BotoCoreError, ClientError, KeyError) as exc:
        raise Unavailable("the secret with the model's key cannot be read") from exc


def _required(value: str, name: str) -> str:
    if not value:
        raise MissingSetting(
            f"Set these environment variables: STEERSMAN_{name}: it is needed by the provider chosen"
        )
    return value
