"""The page of figures: made from what programs measured, whatever of it is there."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.engine import series
from bench.figures.__main__ import RESULTS
from bench.figures.page import SECTIONS, page, read
from bench.figures.tables import number, table, usd
from bench.local_report import about
from bench.paths import report as paths_report
from bench.peers.contender import Run
from bench.peers.report import figures as peer_figures
from bench.peers.report import told as peer_results
from bench.peers.rounds import Runs
from tests.unit.bench.test_engine_series import fake_run
from tests.unit.bench.test_paths_report import fake_paths

FAST = Run(tasks=100, tasks_per_s=2000.0, p50_ms=8.0, p99_ms=12.0, cpu_s={"total": 1.5}, others=0.01)
SLOW = replace(FAST, tasks_per_s=150.0, p50_ms=11.0, p99_ms=30.0, cpu_s={"total": 10.4})
PEERS = Runs({"steersman": [FAST, FAST], "langgraph": [SLOW, replace(SLOW, tasks_per_s=160.0)]}, [])
SCALE = {
    "list_p99": {"value": 12.0, "unit": "ms", "aim": "<= 100", "met": True},
    "list_label_rare_p99": {"value": 300.0, "unit": "ms", "aim": "<= 100", "met": False},
    "list_label_common_p99": {"value": 900.0, "unit": "ms", "aim": "<= 100", "met": False},
    "throughput_kept": {"value": 0.97, "unit": "of empty", "aim": ">= 0.9", "met": True},
    "sweep_lost": {"value": 0.4, "unit": "s", "aim": "<= 1", "met": True},
}
BILL = {
    "title": "submitted 100 at a time",
    "usd": 2.93,
    "met": True,
    "items": [{"item": "SQS", "usd": 0.001}],
}
COST = {
    "prices": {"region": "us-east-1", "read_on": "2026-11-21"},
    "free_tier": "not taken off",
    "counted_on": {"date": "2026-11-20"},
    "million": {
        "aim_usd": 5.0,
        "steersman": {"batch_100": BILL},
        "awake_hour": {"usd": 0.072},
        "elsewhere": [{"title": "Step Functions Standard", "usd": 175.0, "note": "with its history"}],
    },
    "idle_month": {
        "dev": {
            "usd": 11.1,
            "aim_usd": 10.0,
            "met": False,
            "items": [{"item": "alarms", "usd": 1.0}],
            "remedies": [{"remedy": "no alarms", "saves_usd": 1.0, "loses": "being told"}],
        },
        "prod": {"usd": 145.0, "items": [{"item": "alarms", "usd": 1.0}], "remedies": []},
    },
}
LOAD = {
    "tasks_per_s": 657.0,
    "cpu_s_per_1000_tasks": {
        "emulator": 0.2, "product_functions": 0.9, "product_postgresql": 0.6, "product_redis": 0.1, "client": 0.1,
        "all": 1.9,
    },
    "time": {"jobs_per_stage_call": 96.0},
}  # fmt: skip
CLOUD = {
    "loads": {"bulk, by pages": {"median": LOAD, "runs": [LOAD, {**LOAD, "tasks_per_s": 551.0}]}},
    "latency": {"p50_ms": 138.0, "p95_ms": 144.0},
    "memory": {"total_mb": 1164},
}
STORM: dict[str, Any] = {
    "seed": 7,
    "storm_s": 416.0,
    "planned_tasks": 5000,
    "tasks": {"completed": 4700, "failed": 250, "cancelled": 50},
    "executions": {"all": 24000},
    "kills_at_failpoints": {"submit.begun": 3, "engine.claimed": 4},
    "kills_at_random": {"worker": 20},
    "unreached_failpoints": [],
    "stalls": 9,
    "leases_lost": 80,
    "repeated_requests": 100,
    "servers": {"restart_postgres": 9},
    "findings": [],
}


def section_of(name: str, result: Any) -> str:
    """Return the page that has this result only."""
    return page({name: {**about(), **result}})


def test_the_page_says_how_to_measure_what_was_not() -> None:
    """Without a result its section is left out and its command named; with all results none is."""
    empty = page({})
    assert all(f"- {section.title}: `{section.command}`" in empty for section in SECTIONS)
    assert "## With a long history\n" in section_of("scale", {"figures": SCALE})


def test_every_result_of_the_repository_makes_its_section() -> None:
    """The files in bench/results/ have the shape that the page reads."""
    results = read(RESULTS)
    assert {file.stem for file in RESULTS.glob("*.json")} == set(results)
    shown = page(results)
    assert all((f"## {one.title}\n\n`{one.command}`" in shown) is (one.name in results) for one in SECTIONS)


def test_results_are_read_from_their_files(tmp_path: Path) -> None:
    """What a bench wrote is what is shown; a file that is not there is none."""
    (tmp_path / "scale.json").write_text(json.dumps({"figures": SCALE}))
    assert read(tmp_path) == {"scale": {"figures": SCALE}}


def test_every_figure_of_the_engine_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """No figure that `make bench` prints is missing on the page, and aims stand beside what was reached."""
    monkeypatch.setattr(series, "run", fake_run)
    found = series.measure(lambda _: None)["figures"]
    shown = section_of("engine", {"figures": {figure.name: figure.told() for figure in found}})
    assert sum(line.startswith("| ") for line in shown.splitlines()) == len(found) + 2
    assert "| CPU of all processes | at most 3 | 1.5 s/1,000 tasks | met |" in shown


def test_every_figure_of_the_paths_is_told() -> None:
    """No figure that `make bench-paths` prints is missing on the page, and aims stand beside what was reached."""
    found = paths_report.figures(fake_paths())
    shown = section_of("paths", {"figures": {figure.name: figure.told() for figure in found}})
    assert sum(line.startswith("| ") for line in shown.splitlines()) == len(found) + 2
    assert "99th percentile | at most 2000 | 900 ms | met |" in shown


def test_peers_are_shown_beside_steersman() -> None:
    """Contenders come fastest first, ratios with their aims and their spread over the rounds."""
    found = peer_figures(PEERS, None)
    shown = section_of("peers", peer_results(PEERS, found, None))
    assert shown.index("| Steersman | 2,000 |") < shown.index("| LangGraph, Postgres | 155 |")
    assert "| throughput by that of the best durable peer | at least 10 | 12.9x | met |" in shown
    assert "In single rounds 12.5 to 13.3 times the best durable peer." in shown


def test_what_the_emulator_costs_stands_beside_the_product() -> None:
    """Each load has its throughput with the range of its runs, and CPU by what it was spent on."""
    shown = section_of("cloud", CLOUD)
    assert "| tasks/s | 657 (551 to 657) |" in shown
    assert "| CPU s per 1,000 tasks: emulator | 0.2 |" in shown
    assert "| CPU s per 1,000 tasks: product, functions | 0.9 |" in shown


def test_of_many_reads_the_slowest_and_those_that_miss_are_shown() -> None:
    """A page of reads that all meet their aim is one row; none that misses is hidden behind another."""
    shown = section_of("scale", {"figures": SCALE})
    assert "3 kinds of `GET /v1/tasks`, 99th percentile of the slowest (`list_label_common`)" in shown
    assert "| `list_label_rare` | at most 100 | 300 ms | **missed** |" in shown
    assert "`list`" not in shown


def test_prices_have_their_aims_and_what_would_help() -> None:
    """A price over its aim is followed by what would make it less; one without an aim is only told."""
    shown = section_of("cost", COST)
    assert "| submitted 100 at a time | under 5 | 2.93 | met |" in shown
    assert "| `dev` | under 10 | 11.10 | **missed** |" in shown
    assert "| no alarms | 1.00 | being told |" in shown
    assert "What would make `prod` cheaper" not in shown


def test_findings_of_the_chaos_run_are_not_hidden() -> None:
    """A run without findings has reached its aim; each rule that was broken is named with its count."""
    assert "| findings of the checker | 0 | 0 | met |" in section_of("chaos", STORM)
    broken = {**STORM, "findings": [{"rule": "costs add up", "count": 2}]}
    shown = section_of("chaos", broken)
    assert "| findings of the checker | 0 | 2 | **missed** |" in shown
    assert 'Found: 2 times "costs add up".' in shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (10_271_342, "10,271,342"),
        (1733.46, "1,733"),
        (99.51, "99.5"),
        (0.0456, "0.0456"),
        (3.0, "3"),
        (0, "0"),
    ],
)
def test_numbers_have_the_digits_that_say_something(value: float, shown: str) -> None:
    """Large numbers are whole and grouped, small ones have three digits."""
    assert number(value) == shown


def test_money_is_told_in_cents() -> None:
    """Less than half a cent is said to be less than a cent, not nothing."""
    told = [usd(value) for value in (1175.0, 2.929, 0.001, 0.0, None)]
    assert told == ["1,175.00", "2.93", "< 0.01", "0.00", ""]


def test_columns_of_numbers_are_set_right() -> None:
    """Text stays left, numbers stand below each other, and a table without rows is none."""
    assert list(table(["a", "b"], [["x", "12"], ["y", ""]])) == [
        "| a | b |",
        "| --- | ---: |",
        "| x | 12 |",
        "| y |  |",
    ]
    assert list(table(["a"], [])) == []
