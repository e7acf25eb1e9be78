"""The command line as people and scripts use it: output, JSON, exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.agent import HeldAgent
from tests.e2e.local_cloud import Steersman
from tests.unit.knowledge.pdfs import pdf_of

QUESTION = "How tall was the lighthouse of Pharos?"
FIND = {"name": "find", "queue": "embedding", "capability": "knowledge.retrieve"}
COMPOSE = {"name": "compose", "queue": "executor", "capability": "answer.compose", "needs": ["find"]}
TWO_STEPS: dict[str, Any] = {
    "name": "two_steps",
    "description": "Find passages, then compose an answer of them.",
    "output": "compose",
    "stages": [FIND, COMPOSE],
}
NOBODY = {
    "name": "nobody_can",
    "stages": [
        {"name": "try", "queue": "agent", "capability": "no.agent", "retry": {"max_attempts": 1}},
    ],
}


def write(folder: Path, name: str, content: Any) -> Path:
    file = folder / name
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def test_a_question_is_answered_on_the_terminal(steersman: Steersman) -> None:
    """`ask` tells what happens, line by line where it cannot redraw, and prints the answer with its sources."""
    told = steersman.run("ask", QUESTION).stdout
    for words in (
        "intent started",
        "respond completed",
        "100 metres",
        "test:wonders.md",
        "credibility",
        "USD",
    ):
        assert words in told, told


def test_ask_prints_one_document_for_scripts(steersman: Steersman) -> None:
    """`ask --json` prints the task and nothing else."""
    task = steersman.json("ask", QUESTION, "--template", "quick_answer")
    assert (task["status"], task["template"]) == ("completed", "quick_answer")
    assert task["requested_through"] == "cli"


def test_a_folder_is_taken_in(steersman: Steersman, tmp_path: Path) -> None:
    """`ingest` reads Markdown, text, HTML and PDF below a folder; what cannot be read is named, with exit code 3."""
    folder = tmp_path / "library"
    (folder / "deep" / ".hidden").mkdir(parents=True)
    write(folder, "bridge.md", "# Bridges\n\nThe bridge of Tolmar is 812 metres long.")
    write(folder, "tower.txt", "The tower of Tolmar has 97 floors.")
    write(folder / "deep", "tunnel.html", "<h1>Tunnels</h1><p>The tunnel of Tolmar opened in 1931.</p>")
    (folder / "deep" / "canal.pdf").write_bytes(pdf_of("The canal of Tolmar is 44 metres deep."))
    write(folder, "picture.png", "not for reading")
    write(folder / "deep" / ".hidden", "secret.md", "The safe of Tolmar opens with 0000.")
    done = steersman.json("ingest", folder)
    assert (done["documents"], done["refused"]) == (4, [])
    for question, fact in (
        ("How long is the bridge of Tolmar?", "812 metres"),
        ("How many floors has the tower of Tolmar?", "97 floors"),
        ("When did the tunnel of Tolmar open?", "1931"),
        ("How deep is the canal of Tolmar?", "44 metres"),
    ):
        output = steersman.json("ask", question)["output"]
        assert fact in (output["answer"] or ""), output
    write(folder, "empty.md", "")
    (folder / "broken.pdf").write_text("no pdf")
    refused = steersman.json("ingest", folder, folder / "picture.png", code=3)["refused"]
    assert {Path(one["source_uri"]).name for one in refused} == {"empty.md", "broken.pdf", "picture.png"}
    assert all(one["reason"] for one in refused)


def test_tasks_are_submitted_listed_shown_and_watched(steersman: Steersman, tmp_path: Path) -> None:
    """The task commands go from a file of tasks to their answers."""
    tasks = [{"template": "simple_lookup", "input": {"question": QUESTION}, "labels": {"from": "cli"}}] * 2
    accepted = steersman.json("tasks", "submit", write(tmp_path, "tasks.json", tasks))["tasks"]
    for task in accepted:
        assert steersman.json("tasks", "watch", task["id"])["status"] == "completed"
    page = steersman.json("tasks", "list", "--label", "from:cli", "--status", "completed")
    assert {task["id"] for task in page["tasks"]} == {task["id"] for task in accepted}
    shown = steersman.run("tasks", "show", accepted[0]["id"]).stdout
    assert "100 metres" in shown
    assert accepted[0]["id"] in steersman.run("tasks", "list").stdout
    one = steersman.json("tasks", "submit", "-t", "simple_lookup", "-i", json.dumps({"question": QUESTION}))
    assert steersman.json("tasks", "watch", one["tasks"][0]["id"])["status"] == "completed"


def test_a_task_is_cancelled(steersman: Steersman, agent: HeldAgent, request: pytest.FixtureRequest) -> None:
    """`tasks cancel` stops an open task; what has ended otherwise is refused with exit code 3."""
    held = steersman.submit("held_work", {"hold": request.node.name})
    agent.arrived(held)
    cancelled = steersman.json("tasks", "cancel", held, "--reason", "no longer needed")
    agent.let_go(request.node.name)
    assert (cancelled["status"], cancelled["error"]["message"]) == ("cancelled", "no longer needed")
    done = steersman.ask(QUESTION, "simple_lookup")
    refused = steersman.run("tasks", "cancel", done["id"], code=3)
    assert "completed already" in refused.stderr


def test_templates_are_checked_published_and_used(steersman: Steersman, tmp_path: Path) -> None:
    """A template file goes from `validate` over `publish` to an answer; the same text again adds no version."""
    file = write(tmp_path, "two_steps.json", TWO_STEPS)
    assert steersman.json("templates", "validate", file)["valid"] is True
    assert steersman.json("templates", "publish", file)["version"] == 1
    assert steersman.json("templates", "publish", file)["published"] is False
    names = [template["name"] for template in steersman.json("templates", "list")["templates"]]
    assert {"two_steps", "standard_query", "quick_answer"} <= set(names)
    assert "knowledge.retrieve" in steersman.run("templates", "show", "two_steps").stdout
    assert steersman.json("ask", QUESTION, "-t", "two_steps")["status"] == "completed"


def test_a_faulty_template_is_explained_without_a_cloud(steersman: Steersman, tmp_path: Path) -> None:
    """`validate` names each fault with its place, with exit code 3, wherever the API is."""
    cycle = {**TWO_STEPS, "stages": [{**FIND, "needs": ["compose"]}, COMPOSE]}
    file = write(tmp_path, "cycle.json", cycle)
    told = steersman.run("templates", "validate", file, code=3, STEERSMAN_API_URL="http://127.0.0.1:9").stderr
    assert "stages" in told
    assert "wait for each other" in told


def test_agents_are_listed_and_shown(steersman: Steersman) -> None:
    """`agents` knows the built-in and the ten core agents, by name and by id."""
    agents = steersman.json("agents", "list")["agents"]
    active = {agent["name"] for agent in agents if agent["status"] == "active"}
    assert {"intent", "retrieval", "answer", "moderation", "response"} <= active
    assert sum(agent["status"] == "inactive" for agent in agents) >= 10
    found = steersman.json("agents", "show", "retrieval")
    assert found == steersman.json("agents", "show", found["id"])
    assert "knowledge.retrieve" in steersman.run("agents", "show", "retrieval").stdout


def test_functions_run_in_process(steersman: Steersman) -> None:
    """`invoke` calls one handler with a sample event on the running cloud's database and queues."""
    answer = json.loads(steersman.run("invoke", "api.tasks", "events/tasks/create.json").stdout)
    assert answer["statusCode"] == 202
    assert steersman.ended(json.loads(answer["body"])["id"])["status"] == "completed"
    assert (
        "there are api.agents" in steersman.run("invoke", "api.no", "events/tasks/create.json", code=3).stderr
    )


def test_the_database_is_migrated_and_seeded_already(steersman: Steersman) -> None:
    """`migrate` and `seed` are harmless to repeat and say that nothing was to be done."""
    assert "nothing to do" in steersman.run("migrate").stdout
    assert "0 templates, 0 agents new" in steersman.run("seed").stdout


def test_a_task_that_fails_is_exit_code_1(steersman: Steersman, tmp_path: Path) -> None:
    """A task that ends without completing is told with its stage and reason, and with exit code 1."""
    steersman.run("templates", "publish", write(tmp_path, "nobody.json", NOBODY))
    task_id = steersman.submit("nobody_can", {})
    told = steersman.run("tasks", "watch", task_id, code=1).stderr
    assert "at stage 'try'" in told
    assert "no.agent" in told
    assert steersman.json("tasks", "watch", task_id, code=1)["status"] == "failed"


@pytest.mark.parametrize(
    "arguments", [["ask"], ["tasks", "list", "--limit", "0"], ["fly"], ["ingest", "/no/such"]]
)
def test_wrong_usage_is_exit_code_2(steersman: Steersman, arguments: list[str]) -> None:
    """Arguments that make no sense are refused before anything is done."""
    assert steersman.run(*arguments, code=2).stderr


def test_what_the_api_refuses_is_exit_code_3(steersman: Steersman) -> None:
    """A problem of the API is printed with its fields."""
    told = steersman.run("ask", QUESTION, "-t", "no_such", code=3).stderr
    assert "template:" in told
    assert "no_such" in told
    assert "not JSON" in steersman.run("invoke", "api.tasks", "README.md", code=3).stderr


def test_an_api_out_of_reach_is_exit_code_4(steersman: Steersman) -> None:
    """An API that does not answer is named by its address."""
    told = steersman.run("tasks", "list", code=4, STEERSMAN_API_URL="http://127.0.0.1:9").stderr
    assert "http://127.0.0.1:9" in told


def test_a_local_cloud_that_fails_is_exit_code_5(steersman: Steersman, tmp_path: Path) -> None:
    """A local cloud that was never up says so and what to do."""
    told = steersman.run("ask", QUESTION, code=5, STEERSMAN_LOCAL_DIR=str(tmp_path / "none")).stderr
    assert "never started" in told
    assert "make up" in told.lower()
