"""The routes of the HTTP API, read from its OpenAPI document: gateway and handlers agree by construction."""

import json
from dataclasses import dataclass
from pathlib import Path

from infra.function_table import BY_NAME

METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, order=True)
class Route:
    """A path with its `{parameters}`, a method in capitals, and the name of the function that answers."""

    path: str
    method: str
    function: str


def read_routes(document: Path) -> tuple[Route, ...]:
    """Return the routes of an OpenAPI document, sorted; an operation's first tag names its function.

    Raises ValueError, naming the operation, where the tag is missing or there is no function of that name.
    """
    paths = json.loads(document.read_text(encoding="utf-8"))["paths"]
    return tuple(
        sorted(
            Route(path, method.upper(), _function_of(f"{method.upper()} {path}", operation))
            for path, operations in paths.items()
            for method, operation in operations.items()
            if method in METHODS
        )
    )


def _function_of(place: str, operation: dict[str, list[str]]) -> str:
    tags = operation.get("tags") or []
    if not tags:
        raise ValueError(f"{place} in the OpenAPI document has no tag, so no function answers it")
    name = f"api-{tags[0].lower()}"
    if name not in BY_NAME:
        raise ValueError(
            f"{place} in the OpenAPI document has the tag {tags[0]!r}: there is no function {name}"
        )
    return name
