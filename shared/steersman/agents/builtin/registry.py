"""The agents that come with Steersman: each built when it is asked for, importing only what it needs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from steersman.agents.job import Agent
from steersman.db.connection import Database
from steersman.knowledge.web_search import WebSearch
from steersman.llm.port import ChatModel, Embedder
from steersman.settings import Settings

PREFIX = "builtin:"


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What built-in agents are made of; a part is made when an agent first needs it."""

    database: Callable[[], Database]
    embedder: Callable[[], Embedder]
    chat: Callable[[], ChatModel | None]
    search: Callable[[], WebSearch]


def parts_from(settings: Settings, database: Callable[[], Database]) -> Parts:
    """Return the parts that the settings choose, each made once."""
    from steersman.llm.choose import choose_chat, choose_embedder

    embedder = cache(lambda: choose_embedder(settings))
    return Parts(
        database=database,
        embedder=embedder,
        chat=cache(lambda: choose_chat(settings)),
        search=cache(lambda: _search(settings, database, embedder)),
    )


def build(name: str, parts: Parts) -> Agent:
    """Return the built-in agent of a name, with or without the prefix `builtin:`; raise ValueError for another."""
    maker = _MAKERS.get(name.removeprefix(PREFIX))
    if maker is None:
        raise ValueError(f"there is no built-in agent {name!r}; there are {', '.join(_MAKERS)}")
    return maker(parts)


def _search(
    settings: Settings, database: Callable[[], Database], embedder: Callable[[], Embedder]
) -> WebSearch:
    from steersman.knowledge.passage_index import PassageIndex
    from steersman.knowledge.web_search import LocalSearch, SearxngSearch

    if settings.search_provider == "searxng":
        return SearxngSearch(settings.search_url, timeout_s=settings.search_timeout_s)
    return LocalSearch(index=PassageIndex(database()), embedder=embedder())


def _intent(_: Parts) -> Agent:
    from steersman.agents.builtin.intent import IntentAgent

    return IntentAgent()


def _retrieval(parts: Parts) -> Agent:
    from steersman.agents.builtin.retrieval import RetrievalAgent
    from steersman.knowledge.passage_index import PassageIndex

    return RetrievalAgent(index=PassageIndex(parts.database()), embedder=parts.embedder())


def _websearch(parts: Parts) -> Agent:
    from steersman.agents.builtin.websearch import WebSearchAgent

    return WebSearchAgent(search=parts.search())


def _answer(parts: Parts) -> Agent:
    from steersman.agents.builtin.answer import AnswerAgent
    from steersman.llm.embedded import WordLlamaEmbedder

    chosen = parts.embedder()
    return AnswerAgent(embedder=chosen if chosen.local else WordLlamaEmbedder(), chat=parts.chat())


def _moderation(_: Parts) -> Agent:
    from steersman.agents.builtin.moderation import ModerationAgent

    return ModerationAgent()


def _response(parts: Parts) -> Agent:
    from steersman.agents.builtin.response import ResponseAgent
    from steersman.knowledge.evidence_store import EvidenceStore

    return ResponseAgent(store=EvidenceStore(parts.database()))


def _echo(_: Parts) -> Agent:
    from steersman.agents.builtin.echo import EchoAgent

    return EchoAgent()


_MAKERS: dict[str, Callable[[Parts], Agent]] = {
    "intent": _intent,
    "retrieval": _retrieval,
    "websearch": _websearch,
    "answer": _answer,
    "moderation": _moderation,
    "response": _response,
    "echo": _echo,
}
