"""The wiring: parts are made when they are first asked for, and connect to nothing before they are used."""

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from steersman import bootstrap
from steersman.agents.http import HttpAgent
from steersman.bootstrap import Parts
from steersman.settings import read_settings
from tests.unit.agents.test_selection import agent

SETTINGS = read_settings(
    {
        "STEERSMAN_DATABASE_URL": "postgresql://x@127.0.0.1:1/x",
        "STEERSMAN_REDIS_URL": "redis://127.0.0.1:1/0",
        "STEERSMAN_QUEUE_PREFIX": "https://sqs.example/steersman-",
        "STEERSMAN_LANES": "standard",
    }
)


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Parts:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return Parts(SETTINGS)


@pytest.mark.parametrize(
    "name",
    ["logger", "database", "agents_database", "redis", "limiter", "queues", "live", "open_work", "plans", "projects",
     "tasks", "payloads", "submissions", "schedules", "due_schedules", "registry", "engine", "builtin_parts", "library",
     "health", "approvals", "steering", "resumptions", "reruns", "dead_letters", "redrives"],
)  # fmt: skip
def test_every_part_is_made_once_without_connecting(parts: Parts, name: str) -> None:
    """Each part can be made without any server, and is the same the next time."""
    assert getattr(parts, name) is getattr(parts, name)


def test_agents_have_a_connection_of_their_own(parts: Parts) -> None:
    """What an agent does in the database cannot hold up the engine's connection."""
    assert parts.agents_database is not parts.database


def test_agents_are_connected_by_their_protocol(parts: Parts) -> None:
    """Built-in and HTTP agents are served; another protocol is refused by name."""
    connect = parts._connect_agent
    assert isinstance(connect(agent(1, protocol="http")), HttpAgent)
    assert connect(agent(1, protocol="builtin", endpoint="builtin:intent")) is not None
    for wrong in (
        agent(1, protocol="pull"),
        agent(1, protocol="http", endpoint="x"),
        agent(1, protocol="builtin", endpoint="builtin:none"),
    ):
        with pytest.raises(ValueError, match=r"."):
            connect(wrong)


def test_a_database_with_iam_has_tokens_for_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """With database_auth iam the password of each connection is a token; with password it is the URL's own."""
    settings = SETTINGS.model_copy(update={"database_auth": "iam"})
    made = Parts(settings)
    asked: list[str] = []

    class Rds:
        def generate_db_auth_token(self, **_: Any) -> str:
            return "token"

    monkeypatch.setattr(made, "aws", lambda service: asked.append(service) or Rds())
    password = made.database._password
    assert password is not None
    assert (asked, password()) == (["rds"], "token")
    assert Parts(SETTINGS).database._password is None


def test_warnings_go_to_the_log(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a part warns of is a warning in the log with its fields."""
    told: list[Any] = []
    monkeypatch.setattr(parts.logger, "warning", lambda message, **fields: told.append((message, fields)))
    parts.warn("careful", {"reason": "x"})
    assert told == [("careful", {"reason": "x"})]


@pytest.fixture
def no_parts_yet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process that made no parts, whose imports turned the collector off; at the end it is as it was."""
    collecting, thresholds = gc.isenabled(), gc.get_threshold()
    monkeypatch.setattr(bootstrap, "settings", lambda: SETTINGS)
    bootstrap.parts.cache_clear()
    gc.disable()
    yield
    bootstrap.parts.cache_clear()
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    (gc.enable if collecting else gc.disable)()


@pytest.mark.usefixtures("no_parts_yet")
def test_the_collector_runs_seldom_once_parts_are_made() -> None:
    """Making the parts turns the garbage collector on with its thresholds, over none of what was imported."""
    made = bootstrap.parts()
    assert made.settings is SETTINGS
    assert gc.isenabled()
    assert gc.get_threshold() == (50_000, 20, 100)
    assert gc.get_freeze_count() > 0


@pytest.mark.usefixtures("no_parts_yet")
def test_a_process_has_one_set_of_parts() -> None:
    """Whoever asks for the parts of a process gets the same ones, and the collector is set up only once."""
    made = bootstrap.parts()
    gc.set_threshold(1_000, 10, 10)
    assert bootstrap.parts() is made
    assert gc.get_threshold() == (1_000, 10, 10)
