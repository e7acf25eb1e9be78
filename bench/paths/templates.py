"""The templates of the bench's paths: a fan-out with its join, tasks that wait, tasks whose second stage fails."""

from typing import Any

from steersman.db.connection import Database
from steersman.ids import DEFAULT_PROJECT_ID
from steersman.tasks import templates
from steersman.tasks.template import parse_template
from steersman.tasks.words import Queue

DAY_S = 86_400.0
WEEK_S = 7 * DAY_S
FAN_OUT, TIMER, APPROVAL, LETTERS = "bench_fan_out", "bench_timer", "bench_approval", "bench_letters"
ECHO = "echo"
AWAY = "bench.away"  # the capability of an agent that is registered only after the tasks have failed
DEFAULT_ANSWER = {"decided": "nobody said anything"}


def publish(url: str, *documents: dict[str, Any]) -> None:
    """Publish templates in the default project of the database at `url`."""
    database = Database(url)
    try:
        for document in documents:
            templates.publish(database, DEFAULT_PROJECT_ID, parse_template(document), by="bench")
    finally:
        database.close()


def fan_out(concurrency: int) -> dict[str, Any]:
    """Return {each item of the input's list} -> join; the outputs are counted, not collected.

    Ten thousand outputs would be a value for S3, which is no part of this bench.
    """
    each = {"items": "input.items", "concurrency": concurrency, "collect": False}
    return {
        "name": FAN_OUT,
        "deadline_s": DAY_S,
        "stages": [
            {"name": "each", "queue": Queue.EXECUTOR, "capability": ECHO, "for_each": each},
            {"name": "join", "queue": Queue.RESPONSES, "capability": ECHO, "needs": ["each"]},
        ],
    }


def timer() -> dict[str, Any]:
    """Return a stage that waits for a day, and one after it."""
    return _waiting(TIMER, {"kind": "wait", "wait": {"for_s": DAY_S}})


def approval() -> dict[str, Any]:
    """Return a stage that asks somebody for a day, then takes its default answer, and one after it."""
    asked = {"ask": "Go on?", "timeout_s": DAY_S, "default": DEFAULT_ANSWER}
    return _waiting(APPROVAL, {"kind": "approval", "approval": asked})


def letters() -> dict[str, Any]:
    """Return two stages, the second for an agent that is not there at first."""
    return {
        "name": LETTERS,
        "deadline_s": DAY_S,
        "stages": [
            {"name": "first", "queue": Queue.EXECUTOR, "capability": ECHO},
            {
                "name": "second",
                "queue": Queue.RESPONSES,
                "capability": AWAY,
                "needs": ["first"],
                "retry": {"max_attempts": 1},
            },
        ],
    }


def _waiting(name: str, stage: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "deadline_s": WEEK_S,
        "stages": [
            {"name": "rest", "queue": Queue.EXECUTOR, **stage},
            {"name": "after", "queue": Queue.RESPONSES, "capability": ECHO, "needs": ["rest"]},
        ],
    }
