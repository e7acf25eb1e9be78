"""What the local cloud reads from its environment."""

from pathlib import Path

import pytest

from steersman.errors import MissingSetting
from steersman.local.settings import port_variable, read_local_settings


def test_defaults_need_no_variable() -> None:
    """With nothing set, the local cloud has a folder, ports of its own and no external server."""
    settings = read_local_settings({})
    assert settings.local_dir == Path(".local")
    assert len({settings.database_port, settings.cache_port, settings.cloud_port}) == 3
    assert settings.external_database is None
    assert settings.external_redis is None


def test_every_port_has_a_variable() -> None:
    """The variable that an error message names moves that port."""
    given = {
        port_variable("database"): "5001",
        port_variable("cache"): "5002",
        port_variable("cloud"): "5003",
    }
    settings = read_local_settings(given)
    assert (settings.database_port, settings.cache_port, settings.cloud_port) == (5001, 5002, 5003)


def test_wrong_value_is_named_but_not_repeated() -> None:
    """A wrong setting is refused by its variable's name, and no value appears in the message."""
    secret = "postgresql://u:hidden@h/d"
    with pytest.raises(MissingSetting, match="STEERSMAN_CACHE_PORT") as caught:
        read_local_settings({"STEERSMAN_CACHE_PORT": "99999", "STEERSMAN_DATABASE_URL": secret})
    assert "hidden" not in str(caught.value)


def test_external_servers_stand_in_and_stay_secret() -> None:
    """A given server replaces its part only, and its URL is not in the settings' text."""
    settings = read_local_settings({"STEERSMAN_DATABASE_URL": "postgresql://u:hidden@h/d"})
    assert settings.stands_in_for("database")
    assert not settings.stands_in_for("cache")
    assert settings.external_database == "postgresql://u:hidden@h/d"
    assert "hidden" not in repr(settings)


def test_only_model_and_search_settings_go_to_functions() -> None:
    """Functions get the user's model and search variables, and no other of ours."""
    given = {
        "STEERSMAN_LLM_MODEL": "m",
        "STEERSMAN_SEARCH_URL": "s",
        "STEERSMAN_CLOUD_PORT": "4000",
        "HOME": "/h",
    }
    assert read_local_settings(given).model_variables() == {
        "STEERSMAN_LLM_MODEL": "m",
        "STEERSMAN_SEARCH_URL": "s",
    }
