"""Questions over HTTP, from the request to the answer."""

from collections import defaultdict
from decimal import Decimal

import pytest

from tests.e2e.local_cloud import Steersman

QUESTION = "How tall was the lighthouse of Pharos?"
TEMPLATES = {
    "standard_query": 5,
    "simple_lookup": 2,
    "complex_research": 6,
    "web_enhanced": 6,
    "quick_answer": 3,
}


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_default_template_answers(steersman: Steersman, template: str) -> None:
    """Each default template answers from a document, and says with what sources, agents, quality and cost."""
    task = steersman.ask(QUESTION, template)
    assert task["status"] == "completed", task
    assert len(task["stages"]) == TEMPLATES[template]
    output = task["output"]
    assert not output["declined"], output
    assert "100 metres" in output["answer"]
    source = output["sources"][0]
    assert source["source_uri"] == "test:wonders.md"
    assert "100 metres" in source["passage"]
    assert 0 <= float(source["credibility"]) <= 1
    assert source["credibility_reason"]
    assert all(stage["agent"] for stage in task["stages"] if stage["status"] == "completed")
    assert output["produced_by"]
    assert Decimal(task["cost_usd"]) >= 0
    if output["quality"]:
        assert 0 < output["quality"]["score"] <= 1


def test_the_moderator_judges_the_answer(steersman: Steersman) -> None:
    """An answer that a moderator saw carries its judgement from 0 to 1, and the task its score."""
    task = steersman.ask(QUESTION)
    quality = task["output"]["quality"]
    assert all(0 <= quality[name] <= 1 for name in ("score", "grounding", "coverage", "clarity"))
    assert task["quality_score"] == pytest.approx(quality["score"], abs=1e-3)


@pytest.mark.parametrize("template", ["standard_query", "complex_research"])
def test_what_no_document_tells_is_declined(steersman: Steersman, template: str) -> None:
    """A question that the documents cannot answer is declined with the reason, not guessed at."""
    output = steersman.ask("Who won the football world cup in 1998?", template)["output"]
    assert output["declined"], output
    assert output["decline_reason"]


def test_events_tell_each_stage_in_order(steersman: Steersman) -> None:
    """A client that follows a task by long polls sees each stage become ready, start and complete, after its needs."""
    task_id = steersman.submit("complex_research", {"question": QUESTION})
    events = steersman.all_events(task_id)
    assert events[0]["type"] == "steersman.task.submitted.v1"
    assert events[-1]["type"] == "steersman.task.completed.v1"
    assert len({event["id"] for event in events}) == len(events)
    assert all(event["specversion"] == "1.0" for event in events)
    life: dict[str, list[str]] = defaultdict(list)
    place: dict[tuple[str, str], int] = {}
    for event in events[1:-1]:
        verb = event["type"].split(".")[2]
        life[event["subject"]].append(verb)
        # Stages side by side are told by different workers; the number in the id is the order of what happened.
        place[event["subject"], verb] = int(event["id"].rpartition("-")[2])
    for stage in steersman.task(task_id)["stages"]:
        assert life[stage["name"]] == ["ready", "started", "completed"]
        for need in stage["needs"]:
            assert place[need, "completed"] < place[stage["name"], "ready"]


def test_an_ended_task_has_no_news(steersman: Steersman) -> None:
    """Asked again behind the last event of an ended task, the API answers at once that none will follow."""
    task_id = steersman.submit("simple_lookup", {"question": QUESTION})
    steersman.ended(task_id)
    page = steersman.events(task_id)
    assert page["ended"]
    again = steersman.events(task_id, page["cursor"], wait_s=20)
    assert again["events"] == []
    assert again["ended"]


def test_a_batch_of_a_hundred_completes(steersman: Steersman) -> None:
    """A hundred tasks of one request are answered in its order, and all of them complete."""
    tasks = [
        {
            "template": "simple_lookup",
            "input": {"question": QUESTION},
            "labels": {"batch": "e2e", "n": str(n)},
        }
        for n in range(100)
    ]
    answer = steersman.http.post("/v1/tasks/batch", json={"tasks": tasks})
    assert answer.status_code == 202, answer.text
    ids = [task["id"] for task in answer.json()["tasks"]]
    assert len(set(ids)) == 100
    assert {steersman.ended(task_id)["status"] for task_id in ids} == {"completed"}
    assert steersman.task(ids[41])["labels"] == {"batch": "e2e", "n": "41"}
    found, cursor = [], None
    while True:
        query = {"label": "batch:e2e", "limit": "40", **({"cursor": cursor} if cursor else {})}
        page = steersman.http.get("/v1/tasks", params=query).json()
        found += [task["id"] for task in page["tasks"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert sorted(found) == sorted(ids)
