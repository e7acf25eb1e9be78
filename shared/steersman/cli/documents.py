"""Adding documents through the API, several at a time, with progress."""

import base64
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from steersman.cli import show
from steersman.cli.client import ApiProblem, Client
from steersman.knowledge.documents import media_type_of

PARALLEL = 3
HIDDEN = {"node_modules", "__pycache__"}


class Ingestion:
    """Adds documents to a project."""

    def __init__(self, client: Client, project: str) -> None:
        self._client = client
        self._project = project

    def files(self, paths: Sequence[Path], *, quiet: bool = False) -> dict[str, Any]:
        """Add files, and everything readable below folders; what cannot be read is named and left out."""
        found = list(_files(paths))
        unreadable = [file for file in found if media_type_of(file.name) is None]
        readable = [file for file in found if media_type_of(file.name) is not None]
        done = self.documents([_document(file) for file in readable], quiet=quiet)
        done["refused"] += [
            {"source_uri": str(file), "reason": "not a kind that can be read"} for file in unreadable
        ]
        if not quiet and unreadable:
            for file in unreadable:
                show.problem(f"{file}: only .md, .txt, .rst, .html and .pdf files can be read")
        return done

    def documents(self, documents: Sequence[dict[str, Any]], *, quiet: bool = False) -> dict[str, Any]:
        """Add documents (fields as in POST /v1/documents); return counts, seconds and what was refused."""
        began = monotonic()
        chunks, refused = 0, []
        columns = (
            TextColumn("  ingesting"),
            BarColumn(28),
            MofNCompleteColumn(),
            TextColumn("documents"),
            TimeElapsedColumn(),
        )
        bar = Progress(*columns, console=show.out, disable=quiet or not show.out.is_terminal, transient=True)
        with bar, ThreadPoolExecutor(PARALLEL) as pool:
            task = bar.add_task("", total=len(documents))
            for document, outcome in zip(documents, pool.map(self._add, documents), strict=True):
                bar.advance(task)
                if isinstance(outcome, ApiProblem):
                    faults = "; ".join(f"{field}: {reason}" for field, reason in outcome.faults)
                    refused.append(
                        {"source_uri": document["source_uri"], "reason": faults or outcome.message}
                    )
                else:
                    chunks += outcome["chunk_count"]
        seconds = monotonic() - began
        if not quiet:
            rate = f"{chunks / seconds:.0f} passages a second" if seconds > 0 else ""
            show.out.print(
                f"  {len(documents) - len(refused)} documents, {chunks} passages in {seconds:.1f} s ({rate})"
            )
            for one in refused:
                show.problem(f"{one['source_uri']}: {one['reason']}")
        return {
            "documents": len(documents) - len(refused),
            "chunks": chunks,
            "seconds": seconds,
            "refused": refused,
        }

    def _add(self, document: dict[str, Any]) -> dict[str, Any] | ApiProblem:
        try:
            return self._client.add_document({"project": self._project, **document})
        except ApiProblem as exc:
            if exc.status is None or exc.status >= 500:
                raise
            return exc


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the files named, and those below folders that can be read, without hidden ones."""
    for path in paths:
        if path.is_file():
            yield path
            continue
        for file in sorted(path.rglob("*")):
            parts = file.relative_to(path).parts
            hidden = any(part.startswith(".") or part in HIDDEN for part in parts)
            if file.is_file() and not hidden and media_type_of(file.name):
                yield file


def _document(file: Path) -> dict[str, Any]:
    return body(file.resolve().as_uri(), media_type_of(file.name), file.read_bytes())


def body(source_uri: str, media_type: str | None, content: bytes) -> dict[str, Any]:
    """Return a document as POST /v1/documents takes it."""
    encoded = base64.b64encode(content).decode()
    return {"source_uri": source_uri, "media_type": media_type, "content_base64": encoded}
