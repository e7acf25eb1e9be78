"""One HTTP function: routes from a router, and around them what holds on every route (DESIGN §7)."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any, Protocol

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.openapi.params import Header
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel

from steersman.errors import Fault, InvalidInput, NotJson, SteersmanError, TooLarge
from steersman.http import problem
from steersman.http.problem import WrongContentType
from steersman.http.rate_limit import RateLimiter
from steersman.http.request import Request
from steersman.ids import new_id
from steersman.json import dumps_text, loads
from steersman.logs import Logger
from steersman.tasks.storable import surely_storable, unstorable

MAX_FAULTS = 100
MAX_BODY_BYTES = 5 * 1024 * 1024  # Lambda takes 6 MB; base64 and headers need their share
_CONTENT_TYPE = Fault("Content-Type", "must be application/json")
_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")

SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
}


IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key", description="The same key with the same body has one effect, for 24 hours"
    ),
]


def new_router() -> APIGatewayHttpRouter:
    """Return an empty router."""
    return APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


class ApiParts(Protocol):
    """What every HTTP function needs around its routes."""

    @property
    def limiter(self) -> RateLimiter: ...

    @property
    def logger(self) -> Logger: ...


class Api:
    """A Lambda handler for the routes of `router`; `parts` is called at the first request, not at import."""

    def __init__(self, router: APIGatewayHttpRouter, parts: Callable[[], ApiParts]) -> None:
        self._parts = parts
        self._app = APIGatewayHttpResolver(
            enable_validation=True, serializer=dumps_text, json_body_deserializer=loads
        )
        self._app.include_router(router)
        self._app.exception_handler(SteersmanError)(self._known_error)
        self._app.exception_handler(RequestValidationError)(self._invalid)
        self._app.exception_handler(Exception)(self._unknown_error)
        self._app.not_found(self._no_route)

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Answer an API Gateway HTTP API event (payload format 2.0)."""
        parts = self._parts()
        correlation_id = _correlation_id(event)
        event.setdefault("headers", {})["x-correlation-id"] = correlation_id
        parts.logger.begin(correlation_id=correlation_id)
        headers: dict[str, str] = {}
        try:
            standing = parts.limiter.hit(caller(event))
            headers = standing.headers()
            standing.check()
            _check_query(event)
            _check_body(event)
            answer = self._app.resolve(event, context)
        except SteersmanError as exc:
            status, extra, body = problem.of_error(exc, trace_id=correlation_id, instance=_path(event))
            answer = {"statusCode": status, "headers": extra, "body": body, "isBase64Encoded": False}
        answer = _as_problem(answer, correlation_id, _path(event))
        answer["body"] = _text(answer.get("body"))
        answer["headers"] = {
            **SECURITY_HEADERS,
            **{name.lower(): value for name, value in (answer.get("headers") or {}).items()},
            **headers,
            "x-correlation-id": correlation_id,
        }
        http = event["requestContext"]["http"]
        parts.logger.fact(
            "request", method=http["method"], route=event.get("routeKey"), status=int(answer["statusCode"])
        )
        return answer

    def _known_error(self, error: SteersmanError) -> Response[str]:
        if problem.status_of(error) >= 500:
            self._parts().logger.error("request failed", error)
        return self._error(error)

    def _unknown_error(self, error: Exception) -> Response[str]:
        self._parts().logger.error("request failed unexpectedly", error)
        return self._error(SteersmanError("an unexpected error; tell the operators this trace_id"))

    def _invalid(self, error: RequestValidationError) -> Response[str]:
        found = error.errors()
        if any(entry["loc"][:1] == ("response",) for entry in found):
            return self._unknown_error(error)
        faults = tuple(Fault(_field(entry["loc"]), entry["msg"]) for entry in found[:MAX_FAULTS])
        return self._error(InvalidInput("the request is not valid", faults=faults))

    def _no_route(self, _: Exception) -> Response[str]:
        return self._problem(404, "no_route", "there is no such route; GET /v1/openapi.json lists them all")

    def _problem(self, status: int, code: str, detail: str, faults: tuple[Fault, ...] = ()) -> Response[str]:
        trace_id, instance = self._place()
        return _response(
            problem.document(status, code, detail, trace_id=trace_id, instance=instance, faults=faults)
        )

    def _error(self, error: SteersmanError) -> Response[str]:
        trace_id, instance = self._place()
        return _response(problem.of_error(error, trace_id=trace_id, instance=instance))

    def _place(self) -> tuple[str, str]:
        event = self._app.current_event.raw_event
        return event["headers"]["x-correlation-id"], _path(event)


def request_of(event: Any, idempotency_key: str | None = None) -> Request:
    """Return who asks, through what and under which key, of Powertools' view of an event."""
    raw = event.raw_event
    through = "cli" if event.headers.get("user-agent", "").startswith("steersman-cli") else "api"
    return Request(
        requested_by=caller(raw),
        requested_through=through,
        correlation_id=raw["headers"]["x-correlation-id"],
        route=_path(raw),
        idempotency_key=idempotency_key,
    )


def accepted(body: Mapping[str, Any], *, location: str | None = None) -> Response[Any]:
    """Return 202 with a JSON body."""
    return _json(202, body, location)


def created(body: Mapping[str, Any], *, new: bool = True, location: str | None = None) -> Response[Any]:
    """Return 201 with a JSON body; 200 when nothing new was made."""
    return _json(201 if new else 200, body, location)


def problems(model: type[BaseModel] | None, status: int, *errors: int) -> dict[int, Any]:
    """Return the `responses` of a route's description: its answer, and the problems it can answer with."""
    described: dict[int, Any] = {status: {"description": HTTPStatus(status).phrase}}
    if model is not None:
        described[status]["content"] = {"application/json": {"model": model}}
    for error in errors:
        title = problem.TITLES[error]
        described[error] = {
            "description": title,
            "content": {problem.CONTENT_TYPE: {"model": problem.Problem}},
        }
    return described


def caller(event: Mapping[str, Any]) -> str:
    """Return who calls: the IAM principal where the gateway authorised one, else the address."""
    context = event["requestContext"]
    iam = (context.get("authorizer") or {}).get("iam") or {}
    return str(iam.get("userArn") or f"address:{context['http'].get('sourceIp', 'unknown')}")


def _header(event: Mapping[str, Any], name: str) -> str:
    return next((str(v) for k, v in (event.get("headers") or {}).items() if k.lower() == name), "")


def _correlation_id(event: Mapping[str, Any]) -> str:
    given = _header(event, "x-correlation-id")
    return given if _CORRELATION_ID.fullmatch(given) else str(new_id())


def _check_query(event: Mapping[str, Any]) -> None:
    """Refuse text that cannot be stored, and so cannot be looked for either."""
    for name, value in (event.get("queryStringParameters") or {}).items():
        if "\0" in name or "\0" in value:
            raise InvalidInput("the request is not valid", faults=(Fault(name, "has a NUL character"),))


def _check_body(event: dict[str, Any]) -> None:
    """Refuse bodies that are too large or not UTF-8, before anything reads them; unwrap base64."""
    body = event.get("body") or ""
    if len(body) > MAX_BODY_BYTES * (4 / 3 if event.get("isBase64Encoded") else 1):
        reason = f"more than {MAX_BODY_BYTES // 1024 // 1024} MiB"
        raise TooLarge("the request body is too large", faults=(Fault("body", reason),))
    if event.get("isBase64Encoded"):
        try:
            event["body"] = base64.b64decode(body, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise InvalidInput("the body is not text", faults=(Fault("body", "not UTF-8"),)) from None
        event["isBase64Encoded"] = False
    _check_json(event)


def _check_json(event: Mapping[str, Any]) -> None:
    """Refuse JSON that Python reads and others do not (NaN, lone surrogates), and text that cannot be stored."""
    if not event.get("body"):
        return
    if not _header(event, "content-type").lower().startswith("application/json"):
        raise WrongContentType("send the body as application/json", faults=(_CONTENT_TYPE,))
    try:
        document = loads(event["body"])
    except ValueError as exc:
        raise NotJson(
            "the body cannot be read as JSON", faults=(Fault("body", f"not valid JSON: {exc}"),)
        ) from None
    if not surely_storable(event["body"].encode()) and (faults := unstorable(document)):
        raise InvalidInput("the request is not valid", faults=faults)


def _text(body: Any) -> str:
    """Return a body as the gateway takes it; the framework makes text of application/json alone."""
    return body if isinstance(body, str) else "" if body is None else dumps_text(body)


def _as_problem(answer: dict[str, Any], trace_id: str, instance: str) -> dict[str, Any]:
    """Turn the framework's own error answers into problem documents too."""
    status = int(answer["statusCode"])
    content_type = next(
        (v for k, v in (answer.get("headers") or {}).items() if k.lower() == "content-type"), ""
    )
    if status < 400 or content_type in {problem.CONTENT_TYPE, "application/health+json"}:
        return answer
    code = "no_route" if status in {404, 405} else "request"
    status, headers, body = problem.document(
        status, code, "the request cannot be answered", trace_id=trace_id, instance=instance
    )
    return {"statusCode": status, "headers": headers, "body": body, "isBase64Encoded": False}


def _field(location: tuple[Any, ...]) -> str:
    parts = list(location)
    if parts and parts[0] in {"body", "query", "path", "header"} and len(parts) > 1:
        parts = parts[1:]
    return ".".join(map(str, parts))


def _path(event: Mapping[str, Any]) -> str:
    return str(event.get("rawPath", ""))


def _json(status: int, body: Mapping[str, Any], location: str | None) -> Response[Any]:
    headers = {"location": location} if location else {}
    return Response(status_code=status, content_type="application/json", headers=dict(headers), body=body)


def _response(parts: tuple[int, dict[str, str], str]) -> Response[str]:
    status, headers, body = parts
    content_type = headers.pop("content-type")
    return Response(status_code=status, content_type=content_type, headers=dict(headers), body=body)
