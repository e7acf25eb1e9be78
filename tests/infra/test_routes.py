"""The HTTP API: the gateway's routes are those of the OpenAPI document."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.environments import ENVIRONMENTS
from infra.routes import Route, read_routes
from infra.stacks.services import OPENAPI
from tests.infra.assembly import Assembly, functions, references

DEFAULT = "$default"


def _integrated(assembly: Assembly) -> dict[str, str]:
    """Return the handler that each route key reaches."""
    by_id = {resource.logical_id: resource for resource in assembly.all()}
    handlers = {}
    for route in assembly.of("AWS::ApiGatewayV2::Route"):
        (integration,) = references(route.properties["Target"])
        (called,) = references(by_id[integration].properties["IntegrationUri"])
        target = by_id[called]
        if target.type == "AWS::Lambda::Alias":
            target = by_id[references(target.properties["FunctionName"]).pop()]
        handlers[route.properties["RouteKey"]] = target.properties["Handler"]
    return handlers


def test_the_gateway_has_the_routes_of_the_openapi_document(assembly: Assembly) -> None:
    """Every operation reaches the function of its tag, and everything else the one that answers 404."""
    paths = json.loads(OPENAPI.read_text(encoding="utf-8"))["paths"]
    expected = {
        f"{method.upper()} {path}": f"functions.api.{operation['tags'][0]}.handler"
        for path, operations in paths.items()
        for method, operation in operations.items()
    }
    assert _integrated(assembly) == {**expected, DEFAULT: "functions.api.health.handler"}


def test_every_route_asks_for_iam_in_aws_and_none_on_loopback(assembly: Assembly) -> None:
    """Until identity arrives, AWS's own signs every caller; the local cloud listens on loopback only."""
    expected = "NONE" if assembly.name == "local" else "AWS_IAM"
    assert {r.properties["AuthorizationType"] for r in assembly.of("AWS::ApiGatewayV2::Route")} == {expected}


def test_the_stage_deploys_itself_is_limited_and_logged(assembly: Assembly) -> None:
    """The one stage takes a bounded number of requests and writes an access log in JSON."""
    (stage,) = assembly.of("AWS::ApiGatewayV2::Stage")
    assert stage.properties["StageName"] == DEFAULT
    assert stage.properties["AutoDeploy"] is True
    assert stage.properties["DefaultRouteSettings"]["ThrottlingRateLimit"] > 0
    assert "route" in json.loads(stage.properties["AccessLogSettings"]["Format"])


def test_functions_hold_each_caller_to_the_environment_s_rate(assembly: Assembly) -> None:
    """Every function is told the rate that one caller may ask at; only on one's own machine it is no bound."""
    told = {
        function.properties["Environment"]["Variables"]["STEERSMAN_RATE_LIMIT_PER_MINUTE"]
        for function in functions(assembly)
    }
    assert told == {str(ENVIRONMENTS[assembly.name].rate_limit_per_minute)}
    assert told == {"600000" if assembly.name == "local" else "6000"}


def test_handlers_get_payloads_of_version_2(assembly: Assembly) -> None:
    """Handlers and recorded events agree on the shape of a request."""
    integrations = assembly.of("AWS::ApiGatewayV2::Integration")
    assert {one.properties["PayloadFormatVersion"] for one in integrations} == {"2.0"}


def test_only_this_api_may_call_its_functions(assembly: Assembly) -> None:
    """A permission to call names who may: this API, or this rule."""
    for permission in assembly.of("AWS::Lambda::Permission"):
        assert references(permission.properties["SourceArn"])


def test_an_operation_without_a_known_tag_stops_synthesis(tmp_path: Path) -> None:
    """A route that no function would answer is named, not deployed."""
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps({"paths": {"/v1/x": {"get": {"tags": ["nobody"]}}}}))
    with pytest.raises(ValueError, match=r"GET /v1/x.*'nobody'"):
        read_routes(document)
    document.write_text(json.dumps({"paths": {"/v1/x": {"get": {}}}}))
    with pytest.raises(ValueError, match="has no tag"):
        read_routes(document)


def test_routes_come_sorted(tmp_path: Path) -> None:
    """The order of the document does not change the template."""
    document = tmp_path / "openapi.json"
    tagged = {"tags": ["tasks"]}
    document.write_text(json.dumps({"paths": {"/b": {"post": tagged, "get": tagged}, "/a": {"get": tagged}}}))
    assert read_routes(document) == (
        Route("/a", "GET", "api-tasks"),
        Route("/b", "GET", "api-tasks"),
        Route("/b", "POST", "api-tasks"),
    )


def test_the_outputs_are_those_that_scripts_read(assembly_of: Callable[[str], Assembly]) -> None:
    """The services stack says where the API is, which bucket holds the documents, and state machines' role."""
    outputs = assembly_of("local").templates["Services"]["Outputs"]
    assert set(outputs) == {"ApiUrl", "ApiId", "DocumentsBucketName", "MachineRoleArn"}
