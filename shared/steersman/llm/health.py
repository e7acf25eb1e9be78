"""Whether the models answer, for GET /v1/health/llm."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from steersman.errors import SteersmanError
from steersman.llm.choose import choose_chat, choose_embedder
from steersman.llm.port import ChatModel, Embedder
from steersman.settings import Settings

PROBE = "Answer with the word ready."


def check(settings: Settings) -> dict[str, Any]:
    """Return the state of the models that the settings name; see `probe`. Calls each once, for a few tokens."""
    return probe(settings, embedder=lambda: choose_embedder(settings), chat=lambda: choose_chat(settings))


def probe(
    settings: Settings, *, embedder: Callable[[], Embedder], chat: Callable[[], ChatModel | None]
) -> dict[str, Any]:
    """Return `status` and, under `chat` and `embedding`, provider, model, status, latency_ms and what went wrong.

    `status` is `ok`, `degraded` where the chat model is down (the embedded answerer then takes over), or `down`
    where nothing can be embedded, so that nothing can be searched.
    """
    embedding = _timed(settings.embedding_provider, lambda: _embed(embedder()))
    answering = _timed(settings.llm_provider, lambda: _complete(chat()))
    status = "ok" if answering["status"] == "ok" else "degraded"
    return {
        "status": status if embedding["status"] == "ok" else "down",
        "chat": answering,
        "embedding": embedding,
    }


def _embed(embedder: Embedder) -> str:
    embedder.embed(["ready"])
    return embedder.name


def _complete(chat: ChatModel | None) -> str:
    if chat is None:
        return "extractive-1"
    return chat.complete(system="You are a probe.", prompt=PROBE).model


def _timed(provider: str, call: Callable[[], str]) -> Mapping[str, Any]:
    started = time.perf_counter()
    try:
        outcome = {"status": "ok", "model": call()}
    except SteersmanError as exc:
        outcome = {"status": "down", "error": exc.message}
    return {"provider": provider, **outcome, "latency_ms": round((time.perf_counter() - started) * 1000)}
