"""The five templates that every installation begins with."""

import pytest

from steersman.agents.builtin.seeds import builtin_agents
from steersman.tasks.templates import DEFAULTS, default_templates
from steersman.tasks.words import Queue

BY_NAME = {template.name: template for template in default_templates()}


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("standard_query", 5),
        ("simple_lookup", 2),
        ("complex_research", 6),
        ("web_enhanced", 6),
        ("quick_answer", 3),
    ],
)
def test_a_default_template_has_its_stages(name: str, stages: int) -> None:
    """Each default has the number of stages that it is described with, and ends with the response."""
    assert len(BY_NAME[name].stages) == stages
    assert BY_NAME[name].by_name[BY_NAME[name].output_stage].queue is Queue.RESPONSES


def test_there_are_five() -> None:
    """The defaults are these five, each under its own name."""
    assert tuple(BY_NAME) == DEFAULTS


def test_research_searches_the_web_beside_retrieval() -> None:
    """In complex_research neither of web search and retrieval waits for the other, and the answer waits for both."""
    template = BY_NAME["complex_research"]
    by_queue = {stage.queue: stage for stage in template.stages}
    web, retrieval = by_queue[Queue.WEBSEARCH], by_queue[Queue.EMBEDDING]
    assert web.name not in template.ancestors[retrieval.name]
    assert retrieval.name not in template.ancestors[web.name]
    assert {web.name, retrieval.name} <= template.ancestors[by_queue[Queue.EXECUTOR].name]


def test_every_default_can_be_served_by_the_built_in_agents() -> None:
    """Each capability that a default asks for is one of a built-in agent that is active from the start."""
    served = {
        capability["name"]
        for agent in builtin_agents()
        if agent.as_row()["status"] == "active"
        for capability in agent.as_row()["capabilities"]
    }
    asked = {stage.capability for template in BY_NAME.values() for stage in template.stages}
    assert asked <= served


def test_every_default_bounds_its_question() -> None:
    """Each default takes an object with a question of 1 to 8,000 characters and nothing else."""
    for template in BY_NAME.values():
        schema = template.input_schema
        assert schema is not None
        assert schema["required"] == ["question"]
        assert schema["additionalProperties"] is False
        assert schema["properties"]["question"]["maxLength"] == 8000
