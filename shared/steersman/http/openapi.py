"""The description of the API, generated from the handlers' routers."""

import json
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from steersman import __version__
from steersman.json import loads

DESCRIPTION = """\
A serverless control plane for fleets of AI agents.

Errors are problem documents (RFC 9457) whose `type` never changes. `Idempotency-Key` makes a POST safe to repeat for
24 hours. Lists use opaque cursors. Every answer carries `X-Correlation-Id` and the `RateLimit` headers."""


def generate(routers: Iterable[APIGatewayHttpRouter]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of these routers together."""
    app = APIGatewayHttpResolver(enable_validation=True)
    for router in routers:
        app.include_router(router)
    schema = app.get_openapi_json_schema(
        title="Steersman", version=__version__, description=DESCRIPTION, openapi_version="3.1.0"
    )
    document: dict[str, Any] = loads(schema)
    document["paths"] = {path: document["paths"][path] for path in sorted(document["paths"])}
    for path in document["paths"].values():
        for operation in path.values():
            # Powertools' own form of 422 is never sent: errors are problem documents here.
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                del operation["responses"]["422"]
            operation["responses"].get("204", {}).pop("content", None)
            operation["responses"] = dict(sorted(operation["responses"].items()))
    for unused in ("HTTPValidationError", "ResponseValidationError", "ValidationError"):
        document["components"]["schemas"].pop(unused, None)
    return document


@cache
def committed() -> dict[str, Any]:
    """Return the committed description, which a test holds equal to the generated one."""
    document: dict[str, Any] = loads(files("steersman.http").joinpath("openapi.json").read_bytes())
    return document


def text(document: dict[str, Any]) -> str:
    """Return a description as it is committed: readable, the same for the same handlers."""
    return json.dumps(document, indent=1, sort_keys=True) + "\n"
