"""How fast and how large the local cloud is: `python -m bench.local`.

Brings up a local cloud of its own in a temporary folder, takes in the demo corpus, asks questions, takes everything
down, and writes bench/results/local.json. Takes about five minutes; a busy machine makes every figure worse.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.answers_scores import questions
from bench.local_load import Load, MemoryPeak, reads, share
from bench.local_report import Figure, about, write
from steersman.cli.client import Client
from steersman.cli.documents import Ingestion, body
from steersman.knowledge.demo_corpus import demo_documents
from steersman.local.cloud import LocalCloud
from steersman.local.ports import free_port
from steersman.local.settings import LocalSettings

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "local.json"
TEMPLATES = ("standard_query", "simple_lookup", "quick_answer", "web_enhanced", "complex_research")
ASKED = 30
READS = 300
AT_ONCE = 20
UP_LIMIT_S = 600.0
QUIET_S = 5.0


class Bench:
    """A local cloud in `folder` with ports of its own, used through the command line and the API."""

    def __init__(self, folder: Path) -> None:
        ports = {f"{part}_port": free_port() for part in ("database", "cache", "cloud")}
        self.cloud = LocalCloud(ROOT, LocalSettings.model_validate({"local_dir": folder, **ports}))
        ours = {f"STEERSMAN_{name.upper()}": str(value) for name, value in ports.items()}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("STEERSMAN_")}
        self._environment = {**inherited, **ours, "STEERSMAN_LOCAL_DIR": str(folder)}

    def steersman(self, *arguments: str) -> float:
        """Run a command and return its seconds."""
        began = time.perf_counter()
        program = Path(sys.executable).with_name("steersman")
        done = subprocess.run(
            [str(program), *arguments],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=UP_LIMIT_S,
            check=False,
        )
        if done.returncode:
            sys.exit(f"steersman {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return time.perf_counter() - began

    def memory_mb(self) -> float:
        """Return what all processes take, shared pages counted once (PSS)."""
        return sum(part.memory_mb for part in self.cloud.status())


@contextmanager
def local_cloud() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="steersman-bench-") as name:
        Path(name).chmod(0o755)  # the database server runs under an account of its own
        bench = Bench(Path(name).resolve() / "local")
        try:
            yield bench
        finally:
            bench.steersman("down")


def measure(bench: Bench) -> list[Figure]:
    """Do everything once and return the figures."""
    say("up, from nothing")
    figures = [Figure("up_cold", bench.steersman("up"), "s")]
    say("up, nothing changed while everything runs")
    figures.append(Figure("up_while_up", bench.steersman("up"), "s"))
    client = Client(bench.cloud.endpoints().api_url)
    figures += ingest(client)
    figures += ask(client)
    time.sleep(QUIET_S)  # for the pages of the last requests to be given back
    figures.append(Figure("memory_at_rest", bench.memory_mb(), "MB", at_most=3000))
    figures += at_once(client, bench)
    say("up, nothing changed, after down")
    bench.steersman("down")
    figures.append(Figure("up_warm", bench.steersman("up"), "s", at_most=20))
    return figures


def ingest(client: Client) -> list[Figure]:
    say("the demo corpus through the API")
    documents = [
        {"title": one.title, **body(one.source_uri, one.media_type, one.content)}
        for one in demo_documents(ROOT)
    ]
    ingestion = Ingestion(client, "default")
    ingestion.documents(documents[:2], quiet=True)  # so that the function is warm
    done = ingestion.documents(documents[2:], quiet=True)
    return [
        Figure("documents", done["documents"], "documents"),
        Figure("passages", done["chunks"], "passages"),
        Figure("ingestion", done["chunks"] / done["seconds"], "passages/s", at_least=300),
    ]


def ask(client: Client) -> list[Figure]:
    asked = [one.question for one in questions()]
    figures, task_ids = [], []
    for template in TEMPLATES:
        say(f"{ASKED} questions by {template}, one at a time")
        load = Load(client, template)
        load.ask(asked[0])  # so that every function is warm
        seconds = [load.ask(question) for question in asked[1 : ASKED + 1]]
        task_ids += load.task_ids
        aim = 2.0 if template == "standard_query" else None
        figures.append(Figure(f"{template}_p50", share(seconds, 0.5), "s", at_most=aim))
        figures.append(Figure(f"{template}_p95", share(seconds, 0.95), "s"))
    say(f"GET /v1/tasks/{{id}}, {READS} times")
    read = reads(client, task_ids, READS)
    figures.append(Figure("get_task_p50", share(read, 0.5) * 1000, "ms", at_most=100))
    figures.append(Figure("get_task_p95", share(read, 0.95) * 1000, "ms", at_most=100))
    return figures


def at_once(client: Client, bench: Bench) -> list[Figure]:
    """Ask three times: most requests start a process of their function at first, then all of them are there.

    Memory is sampled the third time only, for looking costs as much as working.
    """
    asked = [one.question for one in questions()][:AT_ONCE]
    figures = []
    for name in ("at_once", "at_once_again"):
        say(f"{AT_ONCE} questions at once")
        began = time.perf_counter()
        completed = Load(client, "standard_query").ask_at_once(asked)
        figures.append(Figure(f"{name}_seconds", time.perf_counter() - began, "s"))
        figures.append(Figure(f"{name}_completed", completed, "tasks", at_least=AT_ONCE))
    with MemoryPeak(bench.memory_mb) as memory:
        Load(client, "standard_query").ask_at_once(asked)
    return [*figures, Figure("at_once_memory_peak", memory.peak_mb, "MB")]


def say(what: str) -> None:
    print(f"… {what}", flush=True)


def main() -> None:
    with local_cloud() as bench:
        figures = measure(bench)
    results: dict[str, Any] = {**about(), "figures": {figure.name: figure.told() for figure in figures}}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    write(figures)
    print(f"written to {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
