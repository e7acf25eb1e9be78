"""The local cloud down and up again, and up when it is up."""

from tests.e2e.local_cloud import Steersman

QUESTION = "How tall was the lighthouse of Pharos?"


def test_up_when_it_is_up_changes_nothing(steersman: Steersman) -> None:
    """A second `up` leaves every process as it is and says the same address."""
    before, url = steersman.pids(), steersman.http.base_url
    steersman.up()
    assert steersman.pids() == before
    assert steersman.http.base_url == url


def test_documents_and_tasks_survive(steersman: Steersman) -> None:
    """After `down` nothing runs; after `up` tasks, documents and the API's address are what they were."""
    task = steersman.ask(QUESTION)
    documents = steersman.http.get("/v1/documents").json()
    url = steersman.http.base_url
    steersman.run("down")
    assert steersman.processes() == []
    assert {part["state"] for part in steersman.json("status")} == {"stopped"}
    steersman.up()
    assert steersman.http.base_url == url
    assert steersman.task(task["id"]) == task
    assert steersman.http.get("/v1/documents").json() == documents
    assert "100 metres" in steersman.ask(QUESTION)["output"]["answer"]


def test_the_demo_answers_two_questions_and_declines_one(steersman: Steersman) -> None:
    """`demo` takes in what is on this machine, answers from it with sources, and says how to go on."""
    told = steersman.run("demo").stdout
    assert told.count("─ Answer ─") == 2, told
    assert told.count("─ No answer ─") == 1
    assert "package:orjson" in told
    assert "steersman ask" in told
    assert "make down" in told
