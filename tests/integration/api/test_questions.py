"""From a question over HTTP to its answer, through the real handlers."""

import pytest

from tests.fixtures.functions import Functions

TEXT = """# Lighthouse

The lighthouse of Pharos stood in Alexandria. It was about 100 metres tall and its light was a fire.
It was built under Ptolemy II around 280 BC.

# Colossus

The Colossus of Rhodes was a statue of the sun god Helios, erected in Rhodes in 280 BC. An earthquake felled it.
"""


@pytest.mark.parametrize(
    "template", ["standard_query", "simple_lookup", "complex_research", "web_enhanced", "quick_answer"]
)
def test_every_default_template_answers_from_documents(functions: Functions, template: str) -> None:
    """Each default template ends with an answer whose sources hold the fact, and says who made it."""
    added = functions.http(
        "POST",
        "/v1/documents",
        {"source_uri": "test://wonders.md", "media_type": "text/markdown", "content": TEXT},
    )
    assert added.status == 201, added.text
    answer = functions.http(
        "POST",
        "/v1/tasks",
        {"template": template, "input": {"question": "How tall was the lighthouse of Pharos?"}},
    )
    assert answer.status == 202, answer.text
    functions.work()
    task = functions.http("GET", f"/v1/tasks/{answer.json['id']}").json
    assert task["status"] == "completed", task
    output = task["output"]
    assert not output["declined"], output
    assert "100 metres" in output["answer"]
    assert "100 metres" in output["sources"][0]["passage"]
    assert 0 <= output["sources"][0]["credibility"] <= 1
    assert {stage["agent"] for stage in task["stages"] if stage["status"] == "completed"} <= {
        producer["agent"] for producer in output["produced_by"]
    } | {task["stages"][-1]["agent"]}
