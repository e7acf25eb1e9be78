"""The worked examples of docs/ways.md, as the files that stand there, from submission to end."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from steersman.agents.job import StageJob, StageResult
from steersman.errors import AgentRefused
from steersman.tasks import family_store
from steersman.tasks.planner import Plan
from tests.fixtures.engine import Rig, echo
from tests.fixtures.functions import Functions

ROOT = Path(__file__).parents[3]
EXAMPLES = {path.stem: json.loads(path.read_text()) for path in (ROOT / "docs" / "examples").glob("*.json")}
PAGE = (ROOT / "docs" / "ways.md").read_text()


def publish(rig: Rig, name: str) -> Plan:
    """Publish an example, with an agent that does whatever it asks for."""
    document = EXAMPLES[name]
    for stage in document["stages"]:
        if "capability" in stage:
            rig.register(stage["capability"], stage["capability"])
    return rig.publish(document["stages"], **{key: document[key] for key in document if key != "stages"})


def test_every_example_is_explained() -> None:
    """No example stands in the folder that the page does not lead to."""
    assert EXAMPLES
    assert [name for name in EXAMPLES if f"examples/{name}.json" not in PAGE] == []


def test_a_research_task_is_read_by_a_person_before_it_is_answered(functions: Functions) -> None:
    """The first example waits for an editor, whose yes lets the answer out with its sources."""
    text = "# Lighthouse\n\nThe lighthouse of Pharos stood in Alexandria. It was about 100 metres tall.\n"
    document = {"source_uri": "test://wonders.md", "media_type": "text/markdown", "content": text}
    assert functions.http("POST", "/v1/documents", document).status == 201
    template = EXAMPLES["reviewed_research"]
    assert functions.http("POST", "/v1/templates", {"template": template}).status == 201
    question = {"question": "How tall was the lighthouse of Pharos?"}
    task = functions.http("POST", "/v1/tasks", {"template": template["name"], "input": question}).json
    functions.work()
    (asked,) = functions.http("GET", "/v1/approvals").json["approvals"]
    assert (asked["task_id"], asked["ask"]) == (task["id"], "May this answer go out?")
    path = f"/v1/tasks/{task['id']}/stages/approve/answer"
    assert functions.http("POST", path, {"approved": True}, caller="10.0.0.9").status == 403
    body = {"approved": True, "answer": {"remark": "as we know it"}}
    assert functions.http("POST", path, body).status == 200
    functions.work()
    ended = functions.http("GET", f"/v1/tasks/{task['id']}").json
    assert ended["status"] == "completed", ended
    assert "100 metres" in ended["output"]["answer"]


@pytest.mark.parametrize(("broken", "status"), [(100, "completed"), (101, "failed")])
def test_a_nightly_batch_bears_some_broken_documents(rig: Rig, broken: int, status: str) -> None:
    """The second example digests each document by a task of its own, and completes though a hundred cannot be read."""
    names = [f"doc-{number}" for number in range(300)]

    def read(job: StageJob) -> StageResult | AgentRefused:
        number = int(job.input["document"].removeprefix("doc-"))
        return AgentRefused("not readable") if number < broken else echo(job)

    rig.behaviours["changed"] = lambda _: StageResult({"documents": names})
    rig.behaviours["read"] = read
    rig.behaviours["report"] = lambda job: StageResult(dict(job.results["digests"] or {}))
    publish(rig, "document_digest")
    (task_id,) = rig.submit(publish(rig, "nightly_batch"), input={"day": "2027-01-15"})
    rig.drain(batch=100, limit=5000)
    task = rig.task(task_id)
    assert task["status"] == status
    if status == "completed":
        assert (task["output"]["completed"], task["output"]["failed"]) == (200, 100)
        assert "not readable" in task["output"]["errors"][0]["reason"]
    else:
        assert task["error"]["code"] == "children_failed"
    assert {child["status"] for child in started(rig, task_id)} <= {"completed", "failed", "cancelled"}


def started(rig: Rig, task_id: UUID) -> list[dict[str, Any]]:
    return family_store.page(rig.database, task_id, "digests", status=None, after=-1, limit=1000)


def test_a_booking_that_fails_is_undone(rig: Rig) -> None:
    """The third example cancels the flight, then the hotel, when no car can be had; the task says why it failed."""
    rig.behaviours["car"] = lambda _: AgentRefused("no car left")
    (task_id,) = rig.submit(publish(rig, "booking"), input={"city": "Lisbon", "from": "1 May", "to": "5 May"})
    rig.drain()
    task = rig.task(task_id)
    assert (task["status"], task["error"]["message"]) == ("failed", "no car left")
    done = [job.stage for job in rig.agent.jobs]
    assert done == ["hotel", "flight", "car", "cancel_flight", "cancel_hotel"]
    assert rig.agent.jobs[-1].results["hotel"] == {"stage": "hotel"}
