"""The project of a run that has limits: of its stages at work, of the calls of an agent of its own, and of its day."""

from collections.abc import Mapping
from typing import Any

from bench.chaos.templates import document, stage
from steersman.agents import store as agent_store
from steersman.db.connection import Database
from steersman.ids import new_id
from steersman.projects import limits_store
from steersman.tasks import template_store
from steersman.tasks.template import parse_template

PROJECT, TEMPLATE, AGENT, CAPABILITY = "metered", "chaos_metered", "chaos-narrow", "chaos.narrow"
RUNNING_STAGES, CALLS = 5, 3  # at once: less than one batch of a worker
FIRST_DAY = ("0.003", 4000)  # USD and tokens: spent by some twenty stages


def set_up(database: Database) -> None:
    """Add the project with its limits, and its template and agent. The agent is not built in, so that it is counted."""
    project_id = new_id()
    values = {"id": project_id, "slug": PROJECT}
    database.run("INSERT INTO projects (id, slug, name) VALUES (%(id)s, %(slug)s, %(slug)s)", values)
    limits_store.put(database, project_id, limits(*FIRST_DAY), by="chaos")
    agent_store.put(database, project_id, new_id(), _agent(), shared=False)
    template = parse_template(_template())
    template_store.publish(database, project_id, new_id(), template, created_by="chaos")


def limits(usd_per_day: str | None, tokens_per_day: int | None) -> Mapping[str, Any]:
    """Return the limits of the project, of which those of the day change."""
    return {
        "max_running_stages": RUNNING_STAGES,
        "usd_per_day": usd_per_day,
        "tokens_per_day": tokens_per_day,
    }


def _template() -> Mapping[str, Any]:
    """Return a template whose narrow stages are more than the agent takes at once."""
    narrow = [stage(f"narrow_{number}", "executor", "first", capability=CAPABILITY) for number in range(4)]
    last = stage("last", "responses", *(one["name"] for one in narrow))
    return document(TEMPLATE, "last", [stage("first", "intent"), *narrow, last])


def _agent() -> dict[str, Any]:
    schema = {"type": "object"}
    ability = {"name": CAPABILITY, "version": "1.0.0", "input_schema": schema, "output_schema": schema}
    return {
        "name": AGENT,
        "version": "1.0.0",
        "description": "Takes few calls at once.",
        "protocol": "http",
        "endpoint": "https://narrow.invalid/",
        "status": "active",
        "max_concurrency": CALLS,
        "capabilities": [ability],
    }
