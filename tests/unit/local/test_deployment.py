"""What the CDK CLI is told, and what is read from its outputs."""

from pathlib import Path

import pytest

from steersman.local.cloud import _parameter
from steersman.local.deployment import documents_bucket, parameter_arguments, read_outputs
from steersman.local.endpoints import Endpoints
from steersman.local.errors import LocalCloudError


def test_each_stack_gets_the_values_it_has_parameters_for() -> None:
    """A stack is given exactly those values that its template declares: an unknown one would be refused."""
    stacks = {"Services": {"RedisUrl", "DatabaseUrl", "BootstrapVersion"}, "Data": set[str]()}
    values = {"DatabaseUrl": "d", "RedisUrl": "r", "LlmModel": "m"}
    assert parameter_arguments(stacks, values) == [
        "--parameters=Services:DatabaseUrl=d",
        "--parameters=Services:RedisUrl=r",
    ]


@pytest.mark.parametrize("text", [None, "", "{", '{"Services": {}}'])
def test_outputs_that_are_not_there_are_none(tmp_path: Path, text: str | None) -> None:
    """A missing, torn or empty outputs file is read as no outputs, so that the next `up` deploys."""
    path = tmp_path / "outputs.json"
    if text is not None:
        path.write_text(text)
    assert read_outputs(path) == {}


def test_outputs_of_all_stacks_are_joined(tmp_path: Path) -> None:
    """An output is found by its name whichever stack has it."""
    path = tmp_path / "outputs.json"
    path.write_text('{"Data": {"DocumentsBucketName": "b"}, "Services": {"ApiId": "a"}}')
    assert read_outputs(path) == {"DocumentsBucketName": "b", "ApiId": "a"}
    assert documents_bucket(read_outputs(path)) == "b"


def test_the_api_url_takes_the_path_form() -> None:
    """The API is reached by its id on the loopback, where no name need resolve."""
    endpoints = Endpoints("postgresql://u:hidden@h/d", "redis://h", 4000, {"ApiId": "abc"})
    assert endpoints.api_url == "http://127.0.0.1:4000/_aws/execute-api/abc"
    assert "hidden" not in repr(endpoints)


def test_without_a_deployment_there_is_no_api_url() -> None:
    """Asking for the API before anything is deployed says what to do."""
    with pytest.raises(LocalCloudError) as caught:
        _ = Endpoints("", "", 4000, {}).api_url
    assert "make up" in caught.value.advice


def test_variables_become_parameters() -> None:
    """A model setting reaches the stack under the parameter name that the app derives from it."""
    assert _parameter("STEERSMAN_LLM_INPUT_USD_PER_MILLION_TOKENS") == "LlmInputUsdPerMillionTokens"
