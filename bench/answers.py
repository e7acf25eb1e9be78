"""How good the answers are, on labelled questions over the demo corpus: `python -m bench.answers`.

Starts a PostgreSQL of its own, ingests the corpus, asks every question of bench/answers/questions.jsonl through the
built-in agents in the order of `standard_query`, and writes bench/results/answers.json. The thresholds were tuned on
the questions marked `tuning`; those marked `holdout` are reported beside them.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import answers_baseline
from bench.answers_report import about, write
from bench.answers_scores import Asked, Question, by_split, questions
from steersman.agents.builtin.registry import Parts, build
from steersman.agents.job import Agent, StageJob
from steersman.db.connection import Database
from steersman.errors import SteersmanError
from steersman.ids import DEFAULT_PROJECT_ID, new_id
from steersman.knowledge.demo_corpus import DemoDocument, demo_documents
from steersman.knowledge.documents import NewDocument, ingest
from steersman.knowledge.passage_index import PassageIndex
from steersman.knowledge.store import DocumentStore
from steersman.knowledge.web_search import LocalSearch
from steersman.llm.embedded import WordLlamaEmbedder
from steersman.llm.port import Embedder

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "answers.json"
AIMS = {"hit_at_5": 0.95, "cited_fact": 0.85, "declined": 0.9}
STAGES = (
    ("intent", "intent"),
    ("embedding", "retrieval"),
    ("executor", "answer"),
    ("moderator", "moderation"),
)
BATCH = 10


def fill(database: Database, embedder: Embedder, documents: Sequence[DemoDocument]) -> dict[str, float]:
    """Ingest the corpus; return what it came to and how fast it went."""
    store = DocumentStore(database)
    embedder.embed(["warm"])
    started = time.perf_counter()
    chunks = sum(
        ingest(
            NewDocument(project_id=DEFAULT_PROJECT_ID, **vars(one)), store=store, embedder=embedder
        ).chunk_count
        for one in documents
    )
    seconds = time.perf_counter() - started
    return {
        "documents": len(documents),
        "chunks": chunks,
        "seconds": round(seconds, 2),
        "chunks_per_s": round(chunks / seconds),
    }


def ask(asked: Sequence[Question], parts: Parts) -> tuple[list[Asked], dict[str, float]]:
    """Put the questions through the agents in batches; return what became of them, and each stage's ms per question."""
    jobs = [_job(one) for one in asked]
    times: dict[str, float] = {}
    for stage, name in STAGES:
        started = time.perf_counter()
        jobs = _run(build(name, parts), stage, jobs)
        times[stage] = round((time.perf_counter() - started) * 1000 / len(jobs), 2)
    started = time.perf_counter()
    outputs = _outputs(build("response", parts), jobs)
    times["respond"] = round((time.perf_counter() - started) * 1000 / len(jobs), 2)
    return [_asked(*one) for one in zip(asked, jobs, outputs, strict=True)], times


def _job(one: Question) -> StageJob:
    return StageJob(
        task_id=new_id(),
        project_id=DEFAULT_PROJECT_ID,
        stage="",
        capability="",
        attempt=1,
        timeout_s=60,
        correlation_id=one.id,
        input={"question": one.question},
    )


def _run(agent: Agent, stage: str, jobs: Sequence[StageJob]) -> list[StageJob]:
    outputs = _outputs(agent, jobs)
    return [
        job._replace(results={**job.results, stage: output})
        for job, output in zip(jobs, outputs, strict=True)
    ]


def _outputs(agent: Agent, jobs: Sequence[StageJob]) -> list[Mapping[str, Any]]:
    outcomes = [outcome for n in range(0, len(jobs), BATCH) for outcome in agent.run(jobs[n : n + BATCH])]
    for outcome in outcomes:
        if isinstance(outcome, SteersmanError):
            raise outcome
    return [outcome.output for outcome in outcomes if not isinstance(outcome, SteersmanError)]


def _asked(question: Question, job: StageJob, answer: Mapping[str, Any]) -> Asked:
    passages = (job.results["embedding"] or {})["passages"]
    return Asked(
        question=question,
        found=tuple(one["source_uri"] for one in passages[:5]),
        cited=tuple(one["passage"] for one in answer["sources"]),
        text=answer["answer"],
        declined=answer["declined"],
    )


@contextmanager
def own_database() -> Iterator[Database]:
    """Give a migrated database on a server of its own, which is gone afterwards."""
    from steersman.db.migrate import migrate
    from steersman.local.postgres import start_postgres

    with tempfile.TemporaryDirectory(prefix="steersman-bench-") as folder:
        Path(folder).chmod(0o755)
        with start_postgres(Path(folder) / "postgres") as server:
            migrate(server.url)
            database = Database(server.url)
            yield database
            database.close()


def parts_for(database: Database) -> Parts:
    """Return the embedded parts on a database."""
    embedder = WordLlamaEmbedder()
    search = LocalSearch(index=PassageIndex(database), embedder=embedder)
    return Parts(
        database=lambda: database, embedder=lambda: embedder, chat=lambda: None, search=lambda: search
    )


def measure(database: Database, *, say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Fill an empty database with the corpus, ask all questions, and return the results."""
    parts = parts_for(database)
    ingestion = fill(database, parts.embedder(), demo_documents(ROOT))
    say(f"ingested {ingestion['chunks']} passages of {ingestion['documents']} documents "
        f"in {ingestion['seconds']} s ({ingestion['chunks_per_s']} a second)")  # fmt: skip
    database.run("ANALYZE")
    asked, times = ask(questions(), parts)
    baseline = [
        Asked(question=one, **vars(answer))
        for one, answer in zip(questions(), answers_baseline.ask(database, questions()), strict=True)
    ]
    return {
        **about(database),
        "aims": AIMS,
        "ingestion": ingestion,
        "ms_per_question": times,
        "embedded": by_split(asked),
        "full_text_only": by_split(baseline),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=RESULTS)
    output = parser.parse_args().output
    with own_database() as database:
        write(measure(database, say=print), output)


if __name__ == "__main__":
    main()
