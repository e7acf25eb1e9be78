"""Model settings from the context to the functions, and the rights that follow from them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.models import Models, parameter, read_models, variable
from tests.infra.assembly import Assembly, as_list, functions, synthesise


class FakeNode:
    """A construct's node, as far as its context goes."""

    def __init__(self, context: dict[str, Any]) -> None:
        self._context = context

    def try_get_context(self, key: str) -> Any:
        return self._context.get(key)


def test_bedrock_without_a_model_is_refused() -> None:
    """A provider that cannot answer stops synthesis, naming what is missing."""
    with pytest.raises(ValueError, match="-c llm_model="):
        read_models(FakeNode({"llm_provider": "bedrock"}))  # type: ignore[arg-type]


def test_only_known_settings_pass() -> None:
    """What the functions do not read does not reach them; empty values count as not given."""
    models = read_models(FakeNode({"llm_provider": "openai", "llm_model": "", "colour": "red"}))  # type: ignore[arg-type]
    assert models == Models({"llm_provider": "openai"})


def test_a_setting_has_one_name_in_every_spelling() -> None:
    """Context, parameter and variable are found from each other."""
    assert (parameter("llm_base_url"), variable("llm_base_url")) == ("LlmBaseUrl", "STEERSMAN_LLM_BASE_URL")


@pytest.fixture(scope="module")
def with_bedrock(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    folder: Path = tmp_path_factory.mktemp("bedrock")
    synthesise(
        "prod",
        folder,
        {
            "llm_provider": "bedrock",
            "llm_model": "eu.some.model-v1:0",
            "embedding_provider": "bedrock",
            "llm_api_key_secret": "arn:aws:secretsmanager:eu-west-1:111111111111:secret:key-AbCdEf",
            "alarm_email": "oncall@example.com",
        },
    )
    return Assembly("prod", folder)


def _invocations(assembly: Assembly) -> Iterator[str]:
    for policy in assembly.of("AWS::IAM::Policy"):
        for statement in policy.properties["PolicyDocument"]["Statement"]:
            if "bedrock:InvokeModel" in as_list(statement["Action"]):
                yield str(statement["Resource"])


def test_bedrock_is_allowed_for_the_chosen_models_only(with_bedrock: Assembly) -> None:
    """With Bedrock, functions that ask models may invoke the profile, its model and the embedding model."""
    allowed = list(_invocations(with_bedrock))
    assert len(allowed) == 9  # seven stages, the documents and the health function
    for resources in allowed:
        assert ":inference-profile/eu.some.model-v1:0" in resources
        assert "::foundation-model/some.model-v1:0" in resources
        assert "::foundation-model/amazon.titan-embed-text-v2:0" in resources


def test_choices_reach_every_function_and_stay_clean(with_bedrock: Assembly) -> None:
    """Functions are told the choice, Bedrock gets its endpoint, the alarm its reader; cdk-nag is content."""
    for function in functions(with_bedrock):
        assert function.properties["Environment"]["Variables"]["STEERSMAN_LLM_MODEL"] == "eu.some.model-v1:0"
    services = [
        str(endpoint.properties["ServiceName"]) for endpoint in with_bedrock.of("AWS::EC2::VPCEndpoint")
    ]
    assert [name for name in services if "bedrock-runtime" in name]
    (subscription,) = with_bedrock.of("AWS::SNS::Subscription")
    assert subscription.properties["Endpoint"] == "oncall@example.com"
    assert '"pluginReports": []' in (with_bedrock.folder / "validation-report.json").read_text(
        encoding="utf-8"
    )


def test_no_model_is_allowed_unless_it_is_chosen(cloud_assembly: Assembly) -> None:
    """The embedded default needs no right to Bedrock."""
    assert not list(_invocations(cloud_assembly))
