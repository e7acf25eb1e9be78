"""Logs: a JSON line per fact, and nothing that is nobody's business."""

import json
from typing import Any

import pytest

from steersman.errors import Unavailable
from steersman.logs import Logger


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_fact_is_one_line_with_the_keys_of_its_request(lines: Any) -> None:
    """Keys of a request are on every line until the next one begins."""
    logger = Logger("unit-facts", "INFO")
    logger.begin(correlation_id="one")
    logger.fact("first", task_id="t")
    logger.begin(correlation_id="two")
    logger.warning("second")
    first, second = lines()
    assert (first["message"], first["correlation_id"], first["task_id"]) == ("first", "one", "t")
    assert (second["level"], second["correlation_id"]) == ("WARNING", "two")
    assert "task_id" not in second


def test_an_error_tells_its_place_and_our_words_only(lines: Any) -> None:
    """A foreign error is told by class and place, never by its text, which may hold anything; ours with its reason."""
    logger = Logger("unit-errors", "INFO")
    for error in (ValueError("secret payload"), Unavailable("asleep")):
        with pytest.raises(type(error)), logger.request("testing"):
            raise error
    foreign, ours = lines()
    assert "secret" not in json.dumps(foreign)
    assert (foreign["error"], foreign["operation"]) == ("ValueError", "testing")
    assert foreign["at"].partition(":")[0].endswith("test_logs")
    assert (ours["code"], ours["reason"]) == ("unavailable", "asleep")


def test_the_level_is_kept(lines: Any) -> None:
    """Below the level that is set nothing is written."""
    Logger("unit-level", "WARNING").fact("quiet")
    assert lines() == []
