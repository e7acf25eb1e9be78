"""Amazon Bedrock: what is sent, and what becomes of its failures."""

import io
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ConnectTimeoutError, ReadTimeoutError
from moto import mock_aws

from steersman.errors import AgentRefused, AgentThrottled, InvalidResult, SteersmanError, Unavailable
from steersman.llm.bedrock import BedrockChat, BedrockEmbedder, bedrock_client
from steersman.llm.choose import choose_chat
from steersman.llm.openai import OpenAiChat
from steersman.llm.port import Prices
from steersman.settings import read_settings
from tests.integration.llm.openai_server import serving
from tests.integration.llm.stubbed_bedrock import StubbedBedrock


def chat(client: Any, limits: list[float] | None = None) -> BedrockChat:
    def give(timeout_s: float) -> Any:
        (limits if limits is not None else []).append(timeout_s)
        return client

    return BedrockChat(give, model="anthropic.claude", prices=Prices(), timeout_s=20)


def test_the_request_is_the_apis() -> None:
    """`converse` gets model, system text with the schema, and message; Titan gets 256 dimensions."""
    client = StubbedBedrock()
    chat(client).complete(system="S.", prompt="P", schema={"type": "object"})
    BedrockEmbedder(lambda _: client).embed(["text"])
    spoken, embedded = client.asked
    assert spoken["modelId"] == "anthropic.claude"
    assert spoken["system"][0]["text"].startswith('S.\nAnswer with JSON of this schema only: {"type"')
    assert spoken["messages"] == [{"role": "user", "content": [{"text": "P"}]}]
    assert '"dimensions":256' in embedded["body"]


def test_the_shorter_time_limit_holds() -> None:
    """A call may wait as long as its stage allows, and never longer than the setting."""
    limits: list[float] = []
    model = chat(StubbedBedrock(), limits)
    for timeout_s in (None, 5.0, 60.0):
        model.complete(system="S", prompt="P", timeout_s=timeout_s)
    assert limits == [20, 5, 20]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ThrottlingException", AgentThrottled),
        ("ModelTimeoutException", Unavailable),
        ("ServiceUnavailableException", Unavailable),
        ("AccessDeniedException", AgentRefused),
        ("ValidationException", AgentRefused),
        ("ResourceNotFoundException", AgentRefused),
    ],
)
def test_a_refusal_says_whether_to_try_again(code: str, error: type[SteersmanError]) -> None:
    """What passes by itself can be tried again, what is wrong with the request or the account cannot."""
    with pytest.raises(error, match=code):
        chat(StubbedBedrock(error=code)).complete(system="S", prompt="P")


@pytest.mark.parametrize("failure", [ReadTimeoutError, ConnectTimeoutError])
def test_silence_is_unavailable(failure: type[BotoCoreError]) -> None:
    """A time-out of the client is Unavailable."""

    class Silent(StubbedBedrock):
        def converse(self, **request: Any) -> Any:
            raise failure(endpoint_url="https://bedrock.test")

    with pytest.raises(Unavailable, match=failure.__name__):
        chat(Silent()).complete(system="S", prompt="P")


@pytest.mark.parametrize("answer", [{"output": {}}, {"output": {"message": {"content": 3}}}, []])
def test_nonsense_is_an_invalid_result(answer: Any) -> None:
    """An answer of another form is InvalidResult."""
    with pytest.raises(InvalidResult):
        chat(StubbedBedrock(answer=answer or {"x": 1})).complete(system="S", prompt="P")
    with pytest.raises(InvalidResult):
        BedrockEmbedder(lambda _: StubbedBedrock(answer={"body": io.BytesIO(b"[]")})).embed(["text"])


@mock_aws
def test_the_client_waits_and_tries_as_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real client gives up after the time limit and does not try again by itself."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    config = bedrock_client(7.5).meta.config
    assert (config.read_timeout, config.connect_timeout) == (7.5, 5.0)
    assert config.retries["total_max_attempts"] == 1


@mock_aws
def test_the_key_can_be_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key of an endpoint is read from Secrets Manager once, when it is first needed."""
    import boto3

    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    secrets = boto3.client("secretsmanager")
    arn = secrets.create_secret(Name="llm", SecretString="from-the-vault")["ARN"]
    with serving() as server:
        chosen = read_settings(
            {
                "STEERSMAN_DATABASE_URL": "postgresql://x", "STEERSMAN_REDIS_URL": "redis://x",
                "STEERSMAN_QUEUE_PREFIX": "q", "STEERSMAN_LLM_PROVIDER": "openai", "STEERSMAN_LLM_MODEL": "tiny",
                "STEERSMAN_LLM_BASE_URL": server.url, "STEERSMAN_LLM_API_KEY_SECRET": arn,
            }
        )  # fmt: skip
        model = choose_chat(chosen)
        assert isinstance(model, OpenAiChat)
        model.complete(system="S", prompt="P")
        secrets.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
        model.complete(system="S", prompt="P")
        model.close()
        assert [key for _, _, key in server.requests] == ["Bearer from-the-vault"] * 2


@mock_aws
def test_a_secret_that_is_gone_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that cannot be read makes the model unavailable, without naming the key."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    chosen = read_settings(
        {
            "STEERSMAN_DATABASE_URL": "postgresql://x", "STEERSMAN_REDIS_URL": "redis://x",
            "STEERSMAN_QUEUE_PREFIX": "q", "STEERSMAN_LLM_PROVIDER": "openai", "STEERSMAN_LLM_MODEL": "tiny",
            "STEERSMAN_LLM_BASE_URL": "http://127.0.0.1:9", "STEERSMAN_LLM_API_KEY_SECRET": "missing",
        }
    )  # fmt: skip
    model = choose_chat(chosen)
    assert model is not None
    with pytest.raises(Unavailable, match="secret"):
        model.complete(system="S", prompt="P")
