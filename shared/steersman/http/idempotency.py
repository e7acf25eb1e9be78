"""Idempotency-Key: the same request twice has one effect and one answer (kept for 24 hours)."""

import hashlib
from collections.abc import Callable
from typing import Any
from uuid import UUID

from steersman.db.connection import Database
from steersman.errors import Conflict, Fault, InvalidInput, KeyReused
from steersman.http import idempotency_store
from steersman.http.request import KeptAnswer, Request
from steersman.ids import DEFAULT_PROJECT_ID
from steersman.json import dumps, loads

MAX_KEY_LENGTH = 255


def fingerprint(body: Any) -> str:
    """Return a hash that tells two request bodies apart."""
    return hashlib.sha256(dumps(body)).hexdigest()


def once(
    database: Database,
    *,
    project_id: UUID = DEFAULT_PROJECT_ID,
    route: str,
    key: str | None,
    body: Any,
    action: Callable[[], dict[str, Any]],
) -> dict[str, Any]:
    """Return the kept answer to this key, or do `action` and keep its answer.

    For actions that are harmless to repeat: a crash in between lets the next request do them again. Work that is
    not keeps its answer in its own transaction (`KeptAnswer`). Raises KeyReused for another body under the key.
    """
    if key is None:
        return action()
    answer = KeptAnswer(
        project_id=project_id, route=route, key=key, request_hash=fingerprint(body), response={}
    )
    known = replay(database, answer)
    if known is not None:
        return known
    response: dict[str, Any] = loads(dumps(action()))
    idempotency_store.keep(database, answer, response)
    return response


def asked(request: Request, body: Any, *, project_id: UUID = DEFAULT_PROJECT_ID) -> KeptAnswer | None:
    """Return under which key and for which body an answer would be kept, or None for a request without a key."""
    if request.idempotency_key is None:
        return None
    return KeptAnswer(
        project_id=project_id,
        route=request.route,
        key=request.idempotency_key,
        request_hash=fingerprint(body),
        response={},
    )


def kept_with(
    database: Database, answer: KeptAnswer | None, action: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """Return the kept answer to a request, or what `action` returns, which keeps it by `keep` in its transaction.

    For actions that are not harmless to repeat. Raises KeyReused as `once` does.
    """
    if answer is None:
        return action()
    known = replay(database, answer)
    if known is not None:
        return known
    try:
        return action()
    except Conflict as exc:
        return replay_after(exc, database, answer)


def keep(database: Database, answer: KeptAnswer | None, response: dict[str, Any]) -> None:
    """Keep the answer to a request, inside the transaction that makes it true; nothing without a key."""
    if answer is not None:
        idempotency_store.keep(database, answer, loads(dumps(response)))


def replay(database: Database, asked: KeptAnswer) -> dict[str, Any] | None:
    """Return the answer that was kept under the key of `asked`, or None; raise KeyReused for another request."""
    check_key(asked.key)
    kept = idempotency_store.find(database, asked)
    if kept is None:
        return None
    if kept["request_hash"] != asked.request_hash:
        reason = "was used with another body; take a new key for a new request"
        raise KeyReused("this Idempotency-Key has been used", faults=(Fault("Idempotency-Key", reason),))
    response: dict[str, Any] = kept["response"]
    return response


def replay_after(conflict: Conflict, database: Database, asked: KeptAnswer) -> dict[str, Any]:
    """Return the answer of the request that was quicker with the same key, or raise `conflict` when none was."""
    known = replay(database, asked)
    if known is None:
        raise conflict
    return known


def check_key(key: str) -> None:
    if not 1 <= len(key) <= MAX_KEY_LENGTH or not key.isprintable():
        reason = f"must have 1 to {MAX_KEY_LENGTH} printable characters"
        raise InvalidInput("the Idempotency-Key is not valid", faults=(Fault("Idempotency-Key", reason),))
