"""Settings: what is read from the environment, and what is said about what is missing."""

import pytest

from steersman.errors import MissingSetting
from steersman.settings import read_settings
from steersman.tasks.words import Lane

NEEDED = {
    "STEERSMAN_DATABASE_URL": "postgresql://x",
    "STEERSMAN_REDIS_URL": "redis://x",
    "STEERSMAN_QUEUE_PREFIX": "https://sqs/x-",
}


def test_each_missing_variable_is_named() -> None:
    """Without its settings a function fails naming every variable that it lacks; an empty one is missing."""
    with pytest.raises(MissingSetting) as caught:
        read_settings({"STEERSMAN_REDIS_URL": ""})
    assert all(name in caught.value.message for name in NEEDED)


def test_values_are_read_and_the_rest_has_defaults() -> None:
    """Names are the variables' in lower case; lists are split at commas; what is foreign is left alone."""
    given = read_settings(
        {**NEEDED, "STEERSMAN_LANES": "bulk, standard", "STEERSMAN_NEW_THING": "1", "PATH": "/bin"}
    )
    assert given.database_url == "postgresql://x"
    assert given.lanes == (Lane.BULK, Lane.STANDARD)
    assert given.llm_provider == "embedded"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STEERSMAN_LANES", "fast"),
        ("STEERSMAN_DATABASE_AUTH", "trust"),
        ("STEERSMAN_RATE_LIMIT_PER_MINUTE", "many"),
        ("STEERSMAN_RATE_LIMIT_PER_MINUTE", "0"),
        ("STEERSMAN_LLM_PROVIDER", "oracle"),
        ("STEERSMAN_LLM_TIMEOUT_S", "-1"),
    ],
)
def test_a_wrong_value_is_named_and_not_repeated(name: str, value: str) -> None:
    """A value out of its range is refused naming the variable."""
    with pytest.raises(MissingSetting, match=name):
        read_settings({**NEEDED, name: value})


def test_a_secret_is_never_told() -> None:
    """The key of a model is in no error, no repr and no dump; a wrong neighbour does not bring it out."""
    with pytest.raises(MissingSetting) as caught:
        read_settings({**NEEDED, "STEERSMAN_LLM_API_KEY": "sk-secret", "STEERSMAN_LLM_TIMEOUT_S": "x"})
    given = read_settings({**NEEDED, "STEERSMAN_LLM_API_KEY": "sk-secret"})
    assert caught.value.__cause__ is None
    for text in (str(caught.value), repr(caught.value), repr(given), str(given), given.model_dump_json()):
        assert "sk-secret" not in text
    assert given.llm_api_key.get_secret_value() == "sk-secret"
