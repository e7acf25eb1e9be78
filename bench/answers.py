"""How good the answers are, on labelled questions over the demo corpus: `python -m bench.answers`.

Starts a PostgreSQL of its own, ingests the corpus, asks every question of bench/answers/questions.jsonl through the
built-in agents in the order of `standard_query`, and writes bench/results/answers.json. The thresholds were tuned on
the questions marked `tuning`; those marked `holdout` are reported beside them.
"""

import argparse
import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench import answers_baseline
from bench.answers_report import about, write
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
QUESTIONS = Path(__file__).parent / "answers" / "questions.jsonl"
RESULTS = Path(__file__).parent / "results" / "answers.json"
AIMS = {"hit_at_5": 0.95, "cited_fact": 0.85, "declined": 0.9}
STAGES = (
    ("intent", "intent"),
    ("embedding", "retrieval"),
    ("executor", "answer"),
    ("moderator", "moderation"),
)
BATCH = 10


@dataclass(frozen=True, kw_only=True)
class Question:
    """A labelled question: the sources that answer it and patterns of the fact; none where it has no answer."""

    id: str
    split: str
    question: str
    documents: tuple[str, ...]
    facts: tuple[str, ...]

    @property
    def answerable(self) -> bool:
        return bool(self.documents)

    def told_by(self, text: str) -> bool:
        """Return whether `text` holds the expected fact."""
        plain = " ".join(text.split())
        return any(re.search(fact, plain, re.IGNORECASE) for fact in self.facts)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What became of a question: the sources of its first five passages, and the answer."""

    question: Question
    found: tuple[str, ...]
    cited: tuple[str, ...]
    text: str
    declined: bool


def questions() -> list[Question]:
    """Return the labelled questions."""
    rows = (json.loads(line) for line in QUESTIONS.read_text().splitlines())
    return [
        Question(**{**row, "documents": tuple(row["documents"]), "facts": tuple(row["facts"])})
        for row in rows
    ]


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
        replace(job, results={**job.results, stage: output})
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


def scores(asked: Sequence[Asked]) -> dict[str, Any]:
    """Return the shares that the benchmark is about, and the questions that missed."""
    answerable = [one for one in asked if one.question.answerable]
    hopeless = [one for one in asked if not one.question.answerable]
    hit = {one.question.id: bool(set(one.found) & set(one.question.documents)) for one in answerable}
    cited = {one.question.id: any(map(one.question.told_by, one.cited)) for one in answerable}
    said = {one.question.id: one.question.told_by(one.text) for one in answerable}
    declined = {one.question.id: one.declined for one in hopeless}
    return {
        "answerable": len(answerable),
        "unanswerable": len(hopeless),
        "hit_at_5": _share(hit),
        "cited_fact": _share(cited),
        "said_fact": _share(said),
        "declined": _share(declined),
        "wrongly_declined": _share({one.question.id: one.declined for one in answerable}),
        "missed": sorted(key for group in (hit, cited, declined) for key, held in group.items() if not held),
    }


def _share(held: Mapping[str, bool]) -> float:
    return round(sum(held.values()) / len(held), 4) if held else 0.0


def by_split(asked: Sequence[Asked]) -> dict[str, Any]:
    """Return the scores of all questions and of each split."""
    splits = {one.question.split for one in asked}
    parts = {name: scores([one for one in asked if one.question.split == name]) for name in sorted(splits)}
    return {"all": scores(asked), **parts}


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
