"""templates compile, as people and scripts use it."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from steersman.cli import state_machine
from steersman.cli.app import app
from steersman.cli.client import Client
from steersman.errors import InvalidInput
from tests.fixtures.engine import stage
from tests.unit.cli.screen import printed

N = {"name": "n", "output": "c", "stages": [stage("a"), stage("b"), stage("c", "a", "b"), stage("d", "b")]}
CHAIN = {"name": "chain", "stages": [stage("a"), stage("b", "a")]}


def compiled(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    done: list[Result] = []
    told = printed(
        monkeypatch, lambda: done.append(CliRunner().invoke(app, ["templates", "compile", *arguments]))
    )
    if done[0].exception and not isinstance(done[0].exception, SystemExit):
        raise done[0].exception
    return told


def write(folder: Path, document: Any) -> str:
    file = folder / "template.json"
    file.write_text(json.dumps(document))
    return str(file)


def test_a_file_is_compiled_without_a_cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is printed for a file is a definition and nothing else, its queues under the given address."""
    told = compiled(monkeypatch, write(tmp_path, CHAIN), "--queue-prefix", "https://q.example/s-")
    definition = json.loads(told)
    assert (definition["StartAt"], set(definition["States"])) == ("a", {"a", "b"})
    assert "https://q.example/s-executor-{}" in told


def test_added_joins_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where stages wait for more than their needs, people and programs are told which."""
    file = write(tmp_path, N)
    told = compiled(monkeypatch, file)
    assert "d waits also for a\nthe DAG is not series-parallel: 1 pair of stages waits" in told
    document = json.loads(compiled(monkeypatch, file, "--json"))
    assert document["joins"] == [{"stage": "d", "waits_also_for": ["a"]}]
    assert (document["added_waits"], document["inline"]) == (1, [])


@pytest.mark.parametrize(("arguments", "version"), [([], 7), (["--version", "3"], 3)])
def test_a_published_template_is_compiled(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], version: int
) -> None:
    """By its name a template is read from the API: its newest version, or the one asked for."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if request.url.path.endswith("/templates"):
            return httpx.Response(200, json={"templates": [{"name": "chain", "version": 7}]})
        return httpx.Response(200, json={"name": "chain", "template": CHAIN})

    api = Client("http://127.0.0.1:1", transport=httpx.MockTransport(answer))
    monkeypatch.setattr(state_machine, "client", lambda: api)
    assert json.loads(compiled(monkeypatch, "chain", *arguments))["StartAt"] == "a"
    assert asked[-1] == f"/v1/templates/chain/versions/{version}"


def test_a_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is not there is an error that says what to give."""
    with pytest.raises(InvalidInput, match=r"there is no file missing\.json") as caught:
        compiled(monkeypatch, "missing.json")
    assert caught.value.faults[0].field == "template"


def test_a_file_without_a_template_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file that holds something else, or a template with faults, is refused with their places."""
    with pytest.raises(InvalidInput, match="does not hold a template"):
        compiled(monkeypatch, write(tmp_path, [CHAIN]))
    with pytest.raises(InvalidInput) as caught:
        compiled(monkeypatch, write(tmp_path, {**CHAIN, "stages": [stage("a", "x")]}))
    assert caught.value.faults[0].field == "stages.0.needs.0"
