"""The port to web search, and its two forms: SearXNG, and the project's own documents."""

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

from steersman.errors import AgentError, InvalidResult, SteersmanError, Unavailable
from steersman.json import rfc3339
from steersman.knowledge.html import html_text
from steersman.knowledge.passage_index import PassageIndex
from steersman.knowledge.passages import Passage
from steersman.knowledge.readable import one_line
from steersman.knowledge.retrieval import coverage
from steersman.knowledge.search import Question, search
from steersman.knowledge.terms import keywords, stems
from steersman.llm.port import Embedder

RESULTS = 6
MAX_SNIPPET = 2_000
PARALLEL = 8
WIDE = (
    0.9  # documents are already searched by retrieval: here other documents count more than better passages
)


class WebSearch(Protocol):
    """Finds pages on questions: one outcome per question in their order, errors as values."""

    def find(self, questions: Sequence[Question]) -> list[list[Passage] | SteersmanError]: ...


class LocalSearch:
    """Searches the project's own documents, one passage of each: the default, which needs no network."""

    def __init__(self, *, index: PassageIndex, embedder: Embedder) -> None:
        self._index = index
        self._embedder = embedder

    def find(self, questions: Sequence[Question]) -> list[list[Passage] | SteersmanError]:
        """Return for each question the best passage of each of several documents; one database round trip."""
        materials = search(
            questions, index=self._index, embedder=self._embedder, limit=4 * RESULTS, diversity=WIDE
        )
        return [_one_of_each(material.passages) for material in materials]


def _one_of_each(passages: Sequence[Passage]) -> list[Passage]:
    best: dict[str, Passage] = {}
    for passage in sorted(passages, key=lambda one: -one.score):
        best.setdefault(passage.source_uri, passage)
    return list(best.values())[:RESULTS]


class SearxngSearch:
    """Asks a SearXNG instance over its JSON API (`/search?format=json`), questions of a batch concurrently."""

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self._url = url.rstrip("/")
        self._timeout_s = timeout_s

    def find(self, questions: Sequence[Question]) -> list[list[Passage] | SteersmanError]:
        """Return the results for each question; Unavailable or InvalidResult in the place of one that failed."""
        import httpx

        if not questions:
            return []
        workers = min(PARALLEL, len(questions))
        with (
            httpx.Client(timeout=self._timeout_s, follow_redirects=False) as client,
            ThreadPoolExecutor(max_workers=workers) as pool,
        ):
            return list(pool.map(lambda question: self._ask(client, question), questions))

    def _ask(self, client: Any, question: Question) -> list[Passage] | SteersmanError:
        import httpx

        try:
            response = client.get(f"{self._url}/search", params={"q": question.text, "format": "json"})
            response.raise_for_status()
            return read_results(response.json(), question)
        except httpx.HTTPStatusError as exc:
            return Unavailable(f"the web search answered with status {exc.response.status_code}")
        except httpx.HTTPError as exc:
            return Unavailable(f"the web search does not answer: {type(exc).__name__}")
        except ValueError:
            return InvalidResult("the web search answered something that is not JSON")
        except AgentError as exc:
            return exc


def read_results(body: Any, question: Question) -> list[Passage]:
    """Return the passages in a SearXNG answer, scored by their rank and by the question's words they hold."""
    results = body.get("results") if isinstance(body, dict) else None
    if not isinstance(results, list):
        raise InvalidResult("the web search answered without a list of results")
    weights = dict.fromkeys(list(question.keywords) or keywords(question.text), 1.0)
    pages = [page for page in map(_page, results) if page]
    return [_passage(page, place, weights) for place, page in enumerate(pages[:RESULTS])]


def _page(result: Any) -> dict[str, str] | None:
    if not isinstance(result, dict):
        return None
    url = str(result.get("url") or "")
    snippet = one_line(html_text(str(result.get("content") or "")))[:MAX_SNIPPET]
    if urlsplit(url).scheme not in ("http", "https") or not snippet:
        return None
    title = one_line(html_text(str(result.get("title") or ""))) or url
    return {
        "url": one_line(url),
        "title": title[:500],
        "snippet": snippet,
        "date": str(result.get("publishedDate") or ""),
    }


def _passage(page: Mapping[str, str], place: int, weights: Mapping[str, float]) -> Passage:
    covered = coverage(weights, frozenset(stems(f"{page['title']} {page['snippet']}")))
    return Passage(
        chunk_id="web:" + hashlib.sha256(page["url"].encode()).hexdigest()[:24],
        document_id=None,
        kind="web",
        title=page["title"],
        source_uri=page["url"],
        heading=page["title"],
        position=place,
        passage=page["snippet"],
        score=round(0.35 / (1 + 0.2 * place) + 0.65 * covered, 4),
        dated_at=_date(page["date"]),
    )


def _date(text: str) -> str | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return rfc3339(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
