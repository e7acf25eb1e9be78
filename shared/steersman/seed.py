"""What every installation begins with: the five default templates, the built-in agents, the ten core agents."""

from collections.abc import Callable

from steersman.agents import store as agent_store
from steersman.agents.builtin.seeds import builtin_agents, core_agents
from steersman.db.connection import Database
from steersman.ids import DEFAULT_PROJECT_ID, new_id
from steersman.tasks import templates
from steersman.tasks.machine_making import MachineMaking

Progress = Callable[[str], None]


def seed(
    database: Database, *, making: MachineMaking | None = None, progress: Progress | None = None
) -> dict[str, int]:
    """Put in what is missing and bring descriptions up to date; harmless to repeat. Return how much was new.

    `making` makes the state machines of templates that ask for one.
    """
    say = progress or (lambda _: None)
    new_agents = new_templates = 0
    for agent in (*builtin_agents(), *core_agents()):
        added = agent_store.put(database, DEFAULT_PROJECT_ID, new_id(), agent.as_row(), shared=True)
        new_agents += added
        if added:
            say(f"agent {agent.name} ({agent.status})")
    for template in templates.default_templates():
        published = templates.publish(
            database, DEFAULT_PROJECT_ID, template, by="seed", audited=False, making=making
        )
        new_templates += published["published"]
        if published["published"]:
            say(f"template {template.name} version {published['version']}")
    return {"agents": new_agents, "templates": new_templates}
