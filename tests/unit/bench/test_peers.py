"""The bench of peers: what every peer must answer, the order of the rounds, and what may be written."""

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bench.peers import __main__ as program
from bench.peers import steersman
from bench.peers.catalogue import PEERS
from bench.peers.contender import Run
from bench.peers.process import RunFailed
from bench.peers.protocol import (
    DAG,
    SIZE_BYTES,
    STAGES,
    Document,
    run_stage,
    stage_runs,
    task_input,
    task_result,
)
from bench.peers.report import STEERSMAN
from bench.peers.rounds import Runs, order, run_rounds

RUN = Run(tasks=10, tasks_per_s=50, p50_ms=20, p99_ms=40, cpu_s={"peer": 3.0, "total": 4.0}, others=0.01)
OLD = "the results of a whole run"


@pytest.fixture(scope="module", autouse=True)
def counts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The folder where this process counts its stages, kept as long as the file in it is open."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PEER_COUNTS", str(tmp_path_factory.mktemp("counts")))
        yield


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The results file of an earlier whole run; nothing that the program would start is started."""
    file = tmp_path / "peers.json"
    file.write_text(OLD)
    monkeypatch.setattr(program, "RESULTS", file)
    monkeypatch.setattr(program, "interpreter", Path)
    monkeypatch.setattr(program, "measure", lambda kind, python, *, tasks, singles: replace(RUN, tasks=tasks))
    monkeypatch.setattr(steersman, "engine", lambda *, tasks, singles: replace(RUN, tasks_per_s=600))
    cloud = {"tasks_per_s": 70.0, "latency": {"p50_ms": 9.0}, "cpu_s_per_1000_tasks": {"all": 20.0}}
    monkeypatch.setattr(steersman, "cloud", lambda *, tasks: cloud)
    before = signal.getsignal(signal.SIGTERM)
    yield file
    signal.signal(signal.SIGTERM, before)


def through_the_dag(number: int) -> Document:
    done: dict[str, Document] = {}
    for stage, needs in DAG.items():
        given = [done[need] for need in needs] or [task_input(number)]
        done[stage] = run_stage(stage, *given)
    return done[STAGES[-1]]


def test_the_stages_one_after_the_other_give_the_result_that_is_asked_for() -> None:
    """A peer that runs each stage once, after its needs, answers what `task_result` says, and each run is counted."""
    through_the_dag(6)
    before = stage_runs()
    assert through_the_dag(7) == task_result(7)
    assert stage_runs() == {stage: before[stage] + 1 for stage in STAGES}


def test_a_stage_in_the_wrong_place_gives_another_result() -> None:
    """A result tells the way it came: needs in another order, or a stage left out, are seen."""
    first = run_stage("intent", task_input(7))
    both = [run_stage(stage, first) for stage in ("embedding", "websearch")]
    swapped = run_stage("executor", *reversed(both))
    assert run_stage("response", run_stage("moderator", swapped)) != task_result(7)
    assert run_stage("response", run_stage("executor", *both)) != task_result(7)


@pytest.mark.parametrize("number", [0, 40, 99_999])
def test_every_document_has_the_size_of_the_workload(number: int) -> None:
    """Inputs and results are 200 bytes of JSON, whatever the task's number."""
    for document in (task_input(number), task_result(number)):
        assert len(json.dumps(document, separators=(",", ":"))) == SIZE_BYTES


def test_each_round_begins_with_another_contender() -> None:
    """In as many rounds as there are contenders each is once at every place."""
    names = ["a", "b", "c"]
    rounds = [order(names, number) for number in range(4)]
    assert rounds == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"], ["a", "b", "c"]]


def test_rounds_run_in_turning_order_and_go_on_after_a_failure() -> None:
    """A run that fails is told with its round, does not count, and stops nobody else."""
    ran: list[str] = []

    def sound() -> Run:
        ran.append("sound")
        return RUN

    def failing() -> Run:
        ran.append("failing")
        raise RunFailed("a result is wrong")

    runs = run_rounds({"sound": sound, "failing": failing}, 2, lambda _: None)
    assert ran == ["sound", "failing", "failing", "sound"]
    assert runs.by_name == {"sound": [RUN, RUN], "failing": [None, None]}
    assert runs.failed == ["failing, round 1: a result is wrong", "failing, round 2: a result is wrong"]


def test_the_median_is_of_the_runs_that_count() -> None:
    """A failed run is no slow run, and where none counts there is no median."""
    slow, fast = replace(RUN, tasks_per_s=40, others=0.2), replace(RUN, tasks_per_s=60)
    runs = Runs({"some": [None, slow, None, fast], "none": [None, None]})
    assert runs.median("some") == replace(RUN, tasks_per_s=50, others=0.2)
    assert runs.median("none") is None


@pytest.mark.parametrize(
    "shortened",
    [
        ["--tasks=10"],
        ["--rounds=1"],
        ["--singles=5"],
        ["--no-steersman"],
        ["--no-cloud"],
        ["--peers=celery,dbos"],
    ],
    ids=lambda options: options[0],
)
def test_a_shortened_run_leaves_the_results_of_a_whole_one(results: Path, shortened: list[str]) -> None:
    """Trying something out never replaces what a whole run measured; it can be written elsewhere."""
    told = CliRunner().invoke(program.app, shortened)
    assert (told.exit_code, results.read_text()) == (0, OLD), told.output
    assert "--json" in told.output
    elsewhere = results.with_name("elsewhere.json")
    assert CliRunner().invoke(program.app, [*shortened, f"--json={elsewhere}"]).exit_code == 0
    assert json.loads(elsewhere.read_text())["contenders"]
    assert results.read_text() == OLD


def test_a_whole_run_writes_the_results(results: Path) -> None:
    """Without options every peer, Steersman and the local cloud are in the file, with their ratios."""
    told = CliRunner().invoke(program.app, [])
    assert told.exit_code == 0, told.output
    document: dict[str, Any] = json.loads(results.read_text())
    assert set(document["contenders"]) == {*PEERS, STEERSMAN}
    assert document["figures"]["throughput_vs_best_durable_peer"]["value"] == 12
    assert document["cloud"]["tasks_per_s"] == 70
